"""What a text file says, whatever its comments, spaces, line ends and order of keys.

A digest of bytes changes with a comment. Records of results therefore have a second
digest, of the meaning, next to that of the bytes: two files count as equal if one of
the two digests is equal. Records of earlier versions have only the first.
"""

import hashlib
import io
import json
import re
from pathlib import Path
from typing import Any, Iterable, Mapping, Optional, Union

from espnet_plugin.files import file_checksum
from espnet_plugin.yaml_files import parse_yaml

__all__ = [
    "NOT_DECISIVE",
    "is_decisive",
    "meaning",
    "meaning_of",
    "meaning_of_all",
    "same",
    "with_meaning",
]

# Options of ESPnet and of this plugin that do not affect the result of a training: how,
# where and on which device it runs, and what it logs.
NOT_DECISIVE = frozenset("""
    config output_dir resume ngpu num_workers num_att_plot log_level log_interval
    multiprocessing_distributed local_rank print_config dry_run help use_tensorboard
    use_matplotlib create_graph_in_tensorboard use_wandb wandb_project wandb_id
    wandb_entity wandb_name wandb_model_log_interval max_cache_size max_cache_fd
    cudnn_enabled cudnn_benchmark cudnn_deterministic detect_anomaly version
    allow_multi_rates required sharded_ddp unused_parameters
    """.split())
_RANKS = re.compile(r"^dist_")
_YAML = (".yaml", ".yml")
# Larger files are data. They are compared by their bytes alone.
_MOST_BYTES = 32 << 20
# 80 bits, as in digests of bytes.
_BYTES = 10
_BOTH = re.compile(
    r"(?P<before>.*?)(?P<bytes>[0-9a-f]{64}|[0-9a-f]{20})"
    r"(?: means (?P<meaning>[0-9a-f]{20}))?(?P<after>(?![0-9a-f]).*)",
    re.DOTALL,
)


def is_decisive(option: str) -> bool:
    """Return whether an option of ESPnet affects the result of a training."""
    return option not in NOT_DECISIVE and not _RANKS.match(option)


def meaning(path: Union[str, Path]) -> Optional[str]:
    """Return a digest of what a text file says.

    Of YAML and JSON these are the values. Keys without a value do not count, nor do
    options in YAML that are not decisive. Of other text these are the lines, without
    white space at their ends, as ESPnet reads lists of tokens.

    Returns:
        20 hexadecimal digits; None if the file cannot be read, is large, or is not
        UTF-8 text.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _MOST_BYTES:
            return None
        with open(path, "rb") as stream:
            content = stream.read(8192)
            if b"\0" in content:
                return None
            text = (content + stream.read()).decode("utf-8")
        said = _said(path.suffix.lower(), text)
    # Not text, not YAML, not JSON, nested too deeply.
    except (OSError, ValueError, RecursionError):
        return None
    return meaning_of(said)


def meaning_of(value: Any) -> str:
    """Return a digest of values as YAML and JSON have them, 20 hexadecimal digits."""
    text = json.dumps(_plain(value), sort_keys=True)  # ASCII
    return hashlib.blake2b(text.encode(), digest_size=_BYTES).hexdigest()


def _said(suffix: str, text: str) -> Any:
    if suffix in _YAML:
        content = parse_yaml(text)
        if isinstance(content, Mapping):
            content = {k: v for k, v in content.items() if is_decisive(str(k))}
        return content
    if suffix == ".json":
        return json.loads(text)
    return [line.rstrip() for line in io.StringIO(text, newline=None)]


def _plain(value: Any) -> Any:
    """Return a value as JSON has it; ``1.0`` is ``1``, and nothing is left out."""
    if isinstance(value, Mapping):
        inner = {
            key if isinstance(key, str) else repr(key): _plain(one)
            for key, one in value.items()
        }
        return {k: one for k, one in inner.items() if one is not None and one != {}}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    return f"{type(value).__name__} {value}"


def meaning_of_all(paths: Iterable[Union[str, Path]]) -> str:
    """Return a digest of what several files say; other files count with their bytes."""
    whole = hashlib.blake2b(digest_size=_BYTES)
    for path in paths:
        whole.update(f"{meaning(path) or file_checksum(path)}\n".encode())
    return whole.hexdigest()


def with_meaning(digest: str, path: Union[str, Path]) -> str:
    """Return the digest of a file's bytes with that of its meaning, if it has one."""
    said = meaning(path)
    return digest if said is None else f"{digest} means {said}"


def same(old: Any, new: Any) -> bool:
    """Return whether two recorded values are equal, or digests of files that say the
    same.

    Args:
        old: A value of a record; lists and mappings are compared inside.
        new: The value now.
    """
    if old == new:
        return True
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(same, old, new))
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return old.keys() == new.keys() and all(same(old[k], new[k]) for k in old)
    if not isinstance(old, str) or not isinstance(new, str):
        return False
    one, other = _BOTH.fullmatch(old), _BOTH.fullmatch(new)
    if one is None or other is None:
        return False
    if any(one[part] != other[part] for part in ("before", "after")):
        return False
    said = one["meaning"]
    return one["bytes"] == other["bytes"] or (
        said is not None and said == other["meaning"]
    )
