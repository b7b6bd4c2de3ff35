"""What a job is made of: its request with data and files by their content.

ESPnet's options win over the configuration, so both are one mapping here, and it does
not matter which of the two says a thing.
"""

import json
import os
import re
from dataclasses import fields
from pathlib import Path
from typing import Any, Callable, Mapping, Optional, Sequence

import yaml

from espnet_plugin.data.content import CACHE, Contents
from espnet_plugin.experiment.inputs import KIND, Difference, first_difference, flat

__all__ = [
    "JobInputs",
    "difference",
    "digests_beside",
    "digests_file",
    "is_same_kind",
    "job_inputs",
    "read_options",
]

# Of ESPnet's options and ours, those that say how, where or on what a training runs,
# or what it shows of itself, and not what comes out of it.
NOT_DECISIVE = frozenset("""
    config output_dir resume ngpu num_workers num_att_plot log_level log_interval
    multiprocessing_distributed local_rank print_config dry_run help use_tensorboard
    use_matplotlib create_graph_in_tensorboard use_wandb wandb_project wandb_id
    wandb_entity wandb_name wandb_model_log_interval max_cache_size max_cache_fd
    cudnn_enabled cudnn_benchmark cudnn_deterministic detect_anomaly version
    allow_multi_rates required sharded_ddp unused_parameters
    """.split())
_RANKS = re.compile(r"^dist_")
# Their folder is a place, but that they are used decides: they round.
_USED = ("teacher_cache",)
_TABLES = {f"{part}_data_path_and_name_and_type": part for part in ("train", "valid")}
# What ESPnet adds to with every mention, also to what the configuration has.
_APPENDED = (
    *_TABLES,
    *(f"{part}_shape_file" for part in ("train", "valid")),
)
# Fields of a request that are read as one.
_PARTS = ("config", "options")


class JobInputs(dict):
    """Names and plain values; see :mod:`espnet_plugin.experiment.inputs`."""


def read_options(options: Sequence[str]) -> dict[str, Any]:
    """Read ESPnet's command line as what a configuration file would say.

    ``--optim_conf lr=0.1`` is ``{"optim_conf": {"lr": 0.1}}``, several values are a
    list, and what ESPnet appends with every mention is a list of all.
    """
    read: dict[str, Any] = {}
    for name, values in _groups(options):
        if name in _APPENDED:
            read.setdefault(name, []).extend(values)
        elif name.endswith("_conf"):
            for value in values:
                _set(read.setdefault(name, {}), value)
        else:
            plain = [_scalar(value) for value in values]
            read[name] = plain[0] if len(plain) == 1 else plain
    return read


def _groups(options: Sequence[str]) -> list[tuple[str, list[str]]]:
    groups: list[tuple[str, list[str]]] = []
    for option in options:
        if option.startswith("--"):
            name, same, value = option[2:].partition("=")
            groups.append((name, [value] if same else []))
        elif groups:
            groups[-1][1].append(option)
    return groups


def _set(conf: dict[str, Any], text: str) -> None:
    """Put ``a.b=value``, or a mapping in YAML's braces, into nested dictionaries."""
    names, same, value = text.partition("=")
    if not same:
        whole = _scalar(text)
        conf.update(whole if isinstance(whole, dict) else {text: True})
        return
    *folders, last = names.split(".")
    for name in folders:
        inner = conf.get(name)
        conf[name] = inner if isinstance(inner, dict) else {}
        conf = conf[name]
    conf[last] = _scalar(value)


def _scalar(text: str) -> Any:
    if text.lower() in ("none", "null", "nil", ""):
        return None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def job_inputs(request: Any, contents: Optional[Contents]) -> JobInputs:
    """Return what a request's result is made of.

    Args:
        request: A dataclass of :mod:`espnet_plugin.jobs.requests`.
        contents: Reads data and files; None: they stand by the last two parts of their
            paths, as in the records of earlier versions.
    """
    values = {item.name: getattr(request, item.name) for item in fields(request)}
    return _inputs(type(request).__name__, values, contents)


def _inputs(
    kind: str, values: Mapping[str, Any], contents: Optional[Contents]
) -> JobInputs:
    name_of = _by_name if contents is None else _by_content(contents)
    given = dict(values.get("config") or {})
    options = values.get("options") or ()
    if not isinstance(options, Mapping):  # those of one of our methods are
        options = read_options(options)
    for name, value in options.items():
        if name.endswith("_conf") and isinstance(given.get(name), Mapping):
            value = {**given[name], **value}
        elif name in _APPENDED and given.get(name):
            value = [*given[name], *value]
        given[name] = value
    data: dict[str, Any] = {}
    for option, part in _TABLES.items():
        for table in given.pop(option, None) or ():
            data.update(_table(part, table, contents))
    own = {name: value for name, value in values.items() if name not in _PARTS}
    for table in own.pop("data", ()):
        data.update(_table("valid", table, contents))
    used = {name: "used" for name in _USED if given.pop(name, None) is not None}
    rest = {
        name: value
        for name, value in sorted(given.items())
        if name not in NOT_DECISIVE and not _RANKS.match(name)
    }
    ordered = {KIND: kind, **data, **own, **rest, **used}
    named = {name: _named(value, name_of) for name, value in flat(ordered).items()}
    # As it will be read from its file: tuples are lists.
    return JobInputs(json.loads(json.dumps(named, default=str)))


def _table(part: str, table: Any, contents: Optional[Contents]) -> dict[str, str]:
    """Name one of ESPnet's ``path,name,type`` and say what it holds."""
    path, name, kind = table.split(",") if isinstance(table, str) else table
    if contents is None:
        return {f"{part} {name}": f"{_by_name(path, 2)} ({kind})"}
    return {f"{part} {name}": contents.table(path, kind)}


def _named(value: Any, name_of: Callable[[str], str]) -> Any:
    if isinstance(value, (list, tuple)):
        return [_named(one, name_of) for one in value]
    if isinstance(value, Mapping):
        return {key: _named(one, name_of) for key, one in value.items()}
    return name_of(value) if isinstance(value, str) else value


def _by_name(value: str, parts: int = 1) -> str:
    return "/".join(Path(value).parts[-parts:]) if "/" in value else value


def _by_content(contents: Contents) -> Callable[[str], str]:
    def name_of(value: str) -> str:
        # ESPnet's --init_param says behind the file which part of it goes where.
        path, colon, rest = value.partition(":")
        # A word that happens to be a file's name too is a word.
        if ("/" in path or "." in path) and os.path.isfile(path):
            return f"content {contents.file(path)}{colon}{rest}"
        return value

    return name_of


def digests_beside(folder: Path) -> Contents:
    """Return what reads content; digests are kept beside the experiments' folders."""
    return Contents(digests_file(folder))


def digests_file(folder: Path) -> Path:
    """Return where digests are kept of what experiments beside this one read."""
    return Path(folder).parent / CACHE


def is_same_kind(known: Mapping[str, Any], request: Any) -> bool:
    """Whether a folder's ``request.json`` is of a job of the same kind."""
    if isinstance(known.get("inputs"), Mapping):
        return known["inputs"].get(KIND) == type(request).__name__
    return not set(known) - {item.name for item in fields(request)}


def difference(
    known: Mapping[str, Any], request: Any, contents: Contents
) -> tuple[Optional[Difference], JobInputs]:
    """Compare what a folder was begun with and what is asked for.

    Args:
        known: Content of its ``request.json``. Those of earlier versions hold no
            content of data: of them options and names are compared.
        request: What is asked for.
        contents: Reads data and files.

    Returns:
        The first difference, None if there is none; and what is asked for now.
    """
    wanted = job_inputs(request, contents)
    if isinstance(known.get("inputs"), Mapping):
        return first_difference(known["inputs"], wanted), wanted
    noted = {item.name for item in fields(request)} & set(known)
    # What an earlier version did not note cannot be compared.
    now = {name: getattr(request, name) for name in noted}
    old = _inputs("", known, None)
    return first_difference(old, _inputs("", now, None)), wanted
