"""The table of recognisers with two modes: one line for both of a training."""

from statistics import mean
from typing import Any, Mapping, Optional, Sequence

from espnet_plugin.report.cells import (
    NOT_KNOWN,
    Table,
    cost,
    fill,
    number,
    scaled,
    with_interval,
)
from espnet_plugin.report.plots.series import without_mode
from espnet_plugin.results.aggregate import Group, group_rows

__all__ = ["dual_mode_table"]

_HEADER = (
    "training",
    "layers",
    "full-context WER % [95 %]",
    "streaming WER % [95 %]",
    "seeds",
    "streaming params, non-zero (M)",
    "file without masked blocks MB",
    "masked",
    "RTF of one chunk",
    "latency ms",
    "training min",
    "PFLOP",
)
_NOTES = """\
A line is one training, mean over seeds, and the two recognisers that came out of it.
Non-zero: masked heads, units and channels are cut out; masked blocks are zeros,
multiplied like any number, so the model is no faster than the dense one. File without
masked blocks: `model.blocks.pth`, the same model, in which each unmasked block stands
with a 32-bit number. Masked: share of the weights within reach of the masks. RTF of one
chunk: median seconds of computing a chunk on one thread, per second of audio in it, of
the model as it is decoded (the sub-network cut out). Latency: algorithmic, from the
middle of a chunk's first feature frame to the last sample that the chunk needs.
Training: of both modes together, with all that it started from (a pre-training, the
model that is pruned afterwards), counted in full."""
_NONE = "-"
_BLOCKED = "blocks_file_bytes"
# Columns that most tables leave empty.
_LEFT_OUT_IF_EMPTY = ("file without masked blocks MB",)


def dual_mode_table(results: Mapping[str, Any]) -> Optional[Table]:
    """Return the table, or None if no row has a mode.

    Args:
        results: Content of results.json.
    """
    rows = [row for row in results["rows"] if row.get("mode")]
    if not rows:
        return None
    groups = {
        (group.method, group.variant, group.layers): group
        for group in group_rows(rows, results.get("shared", []))
    }
    trainings: dict[tuple[str, str, int], dict[str, Group]] = {}
    of_group: dict[int, list[Mapping]] = {}
    for row in rows:
        group = groups[row["method"], row.get("variant") or "", row["layers"]]
        name = without_mode(group.variant, row["mode"])
        key = group.method, name, group.layers
        trainings.setdefault(key, {})[row["mode"]] = group
        of_group.setdefault(id(group), []).append(row)
    lines = [
        _line(f"{method} {name}".strip(), modes, of_group)
        for (method, name, _), modes in trainings.items()
    ]
    kept = [
        index
        for index, name in enumerate(_HEADER)
        if name not in _LEFT_OUT_IF_EMPTY or any(line[index] != _NONE for line in lines)
    ]
    header = [_HEADER[index] for index in kept]
    lines = [[line[index] for index in kept] for line in lines]
    return Table("Two modes", header, lines, fill(_NOTES))


def _line(
    name: str, modes: Mapping[str, Group], of_group: Mapping[int, Sequence[Mapping]]
) -> list[str]:
    full, streaming = modes.get("full"), modes.get("streaming")
    one = streaming or full
    rows = of_group[id(streaming)] if streaming else []
    sparsity, blocked = _mean(rows, "sparsity"), _mean(rows, _BLOCKED)
    return [
        name,
        str(one.layers),
        _wer(full),
        _wer(streaming),
        " ".join(map(str, one.seeds)),
        scaled(streaming.params_nonzero, 1e6) if streaming else _NONE,
        _NONE if blocked is None else scaled(blocked, 1e6),
        f"{100 * sparsity:.0f} %" if sparsity else _NONE,
        cost(streaming.chunk_rtf, 1.0) if streaming else _NONE,
        number(_mean(rows, "latency_ms"), 0) if streaming else _NONE,
        cost(one.shared["train_seconds"], 60.0),
        cost(one.shared["train_flops"], 1e15),
    ]


def _wer(group: Optional[Group]) -> str:
    if group is None:
        return _NONE
    if group.test_wer is None:
        return NOT_KNOWN
    return with_interval(group.test_wer, group.wer_ci95)


def _mean(rows: Sequence[Mapping], key: str) -> Optional[float]:
    known = [row[key] for row in rows if row.get(key) is not None]
    return mean(known) if known else None
