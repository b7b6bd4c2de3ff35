"""The format of ``results.json``: rows and shared runs as flat objects.

The file has ``corpus``; ``rows``, one for each model (see `Row`); ``shared``, the runs
shared by several models (see `SharedRun`); ``test_sets`` by a checksum of names and
numbers of words; ``skipped``, folders without a finished experiment; and ``on_dev``,
true if the figures named "test" are from the development set. Derived values are under
``aggregates`` (over seeds), ``families`` (cost of all sizes) and ``comparisons``
(paired); they are computed again and not read.
"""

import hashlib
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Iterator, Mapping, Optional, Union

from espnet_plugin.errors import UserError
from espnet_plugin.results import row as parts
from espnet_plugin.results.row import Row, TestSet
from espnet_plugin.results.shared_run import SharedRun
from espnet_plugin.results.size import variant_and_size

__all__ = ["Entries", "digest_of", "entries_to_json", "read_entries", "read_row"]

_PARTS = {
    "identity": parts.Identity,
    "size": parts.Size,
    "quality": parts.Quality,
    "training": parts.TrainingCost,
    "running": parts.Running,
    "dual_mode": parts.DualMode,
    "curve": parts.Curve,
}
_REQUIRED = ("method", "layers", "seed")
# Order of a row's keys, followed by others. It is fixed, so that a file does not change
# if only the pictures are drawn again.
_ROW_ORDER = """
method variant layers size width seed params checkpoint shared
reference decoding mode sparsity latency_ms blocks_file_bytes test_wer test_words
wer_ci95 wer_ci95_speakers test_cer cer_ci95 dev_wer dev_wer_ci95 train_seconds
valid_seconds cpu_seconds train_flops teacher_flops audio_seconds epochs
cpu_without_cache params_nonzero file_bytes macs_per_audio_second peak_memory_mb
chunk_rtf chunk_ms chunk_audio_ms encoder_rtf rtf_load rtf_threads rtf_cores
macs_audio_seconds dir error_unit bootstrap_unit test_errors_by_unit test_words_by_unit
test_char_errors_by_unit test_chars_by_unit test_errors_by_speaker
test_words_by_speaker dev_errors_by_unit dev_words_by_unit missing test_set
""".split()


@dataclass(frozen=True)
class Entries:
    """Rows and shared runs with their test sets, before anything is computed.

    Attributes:
        rows: Rows, one for each model.
        shared_runs: Trainings that are shared by several models.
        test_sets: Test sets of the rows, by `digest_of`.
        skipped: Names of folders without a finished experiment.
        corpus: Name of the corpus; None if it is not known yet.
        on_dev: Whether the figures named "test" are from the development set.
    """

    rows: tuple[Row, ...] = ()
    shared_runs: tuple[SharedRun, ...] = ()
    test_sets: Mapping[str, TestSet] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()
    corpus: Optional[str] = None
    on_dev: bool = False


def digest_of(test_set: TestSet) -> str:
    """Return a checksum of the names and numbers of words of a set.

    The texts are not included, because score.json does not have them.
    """
    names, words = " ".join(test_set.names), " ".join(map(str, test_set.words))
    return hashlib.sha256(f"{names}\n{words}".encode()).hexdigest()[:12]


def read_row(content: Mapping[str, Any]) -> Row:
    """Read a row; in files of earlier versions the size is part of the variant.

    Raises:
        UserError: If it has no method, layers or seed.
    """
    lacking = [key for key in _REQUIRED if content.get(key) is None]
    if lacking:
        raise UserError(
            f"a row of results.json ({content.get('dir') or content.get('method')}) "
            f"lacks {', '.join(lacking)}: add them by hand, or gather its folder again"
        )
    variant, size = variant_and_size(
        content.get("variant"), content["layers"], content.get("size")
    )
    return _read(Row, {**content, "variant": variant, "size": size})


def read_entries(content: Any, where: Union[str, Path] = "results.json") -> Entries:
    """Read the part of ``results.json`` that is not derived.

    Args:
        content: The content of the file.
        where: The file, for messages.

    Raises:
        UserError: If it does not have the format of results.json.
    """
    if not isinstance(content, dict) or not isinstance(content.get("rows"), list):
        raise UserError(
            f"{where} has no list named 'rows', so it was not written by this command: "
            "give another --results_json, or delete it"
        )
    return Entries(
        rows=tuple(map(read_row, content["rows"])),
        shared_runs=tuple(_read(SharedRun, one) for one in content.get("shared", [])),
        test_sets={
            key: TestSet(
                tuple(one["names"].split()), tuple(map(int, one["words"].split()))
            )
            for key, one in content.get("test_sets", {}).items()
        },
        skipped=tuple(content.get("skipped", [])),
        corpus=content.get("corpus"),
        on_dev=content.get("on_dev", False),
    )


def entries_to_json(entries: Entries) -> dict[str, Any]:
    """Return the part of ``results.json`` that `read_entries` reads."""
    return {
        "corpus": entries.corpus,
        "rows": [_in_order(_write(row)) for row in entries.rows],
        "shared": list(map(_write, entries.shared_runs)),
        "test_sets": {
            key: {
                "utterances": len(one.names),
                "names": " ".join(one.names),
                "words": " ".join(map(str, one.words)),
            }
            for key, one in entries.test_sets.items()
        },
        "skipped": list(entries.skipped),
        "on_dev": entries.on_dev,
    }


def _keys(kind: type) -> Iterator[tuple[str, Field, str]]:
    """Yield part, field and key in the file for all fields of an entry."""
    for one in fields(kind):
        if one.name in _PARTS:
            for inner in fields(_PARTS[one.name]):
                yield one.name, inner, inner.metadata.get("key", inner.name)
        elif one.name != "more":
            yield "", one, one.metadata.get("key", one.name)


def _read(kind: type, content: Mapping[str, Any]) -> Any:
    found: dict[str, dict[str, Any]] = {"": {}}
    more = dict(content)
    for part, one, key in _keys(kind):
        value = more.pop(key, None)
        if value is None:
            continue
        if "records" in one.metadata:
            kind_of = one.metadata["records"]
            value = tuple(kind_of.from_json(v, Path("results.json")) for v in value)
        elif "text" in one.metadata:
            value = tuple(map(float, value.split()))
        elif isinstance(value, list):
            value = tuple(value)
        found.setdefault(part, {})[one.name] = value
    made = {name: _PARTS[name](**found[name]) for name in found if name}
    return kind(**found[""], **made, more=more)


def _write(entry: Any) -> dict[str, Any]:
    written = {}
    for part, one, key in _keys(type(entry)):
        owner = getattr(entry, part) if part else entry
        value = getattr(owner, one.name, None)
        # Keys of missing parts and of rarely used fields are left out.
        if owner is None or (one.metadata.get("seldom") and value in (None, False, ())):
            continue
        if "records" in one.metadata:
            value = [record.to_json() for record in value]
        elif isinstance(value, tuple):
            digits = one.metadata.get("text")
            value = " ".join(f"{v:{digits}}" for v in value) if digits else list(value)
        written[key] = value
    return {**written, **entry.more}


def _in_order(written: dict[str, Any]) -> dict[str, Any]:
    known = [key for key in _ROW_ORDER if key in written]
    return {key: written[key] for key in dict.fromkeys([*known, *written])}
