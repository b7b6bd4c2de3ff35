"""Tables of what models, and all sizes of a method, cost to make and to run."""

from typing import Any, Iterable, Mapping, Optional, Sequence

from espnet_plugin.report.cells import (
    NOT_KNOWN,
    Table,
    cost,
    make_table,
    number,
)
from espnet_plugin.report.line_cells import (
    NAME_HEADER,
    groups_of,
    name_cells,
    rtf_text,
)
from espnet_plugin.results.aggregate import Group
from espnet_plugin.results.family import Family, family_costs
from espnet_plugin.results.kept import kept_note
from espnet_plugin.results.row_cost import Cost, sum_cost

__all__ = ["cost_table", "family_table"]

_SECONDS_PER_HOUR = 3600.0
_FLOPS_PER_PFLOP = 1e15
# Longer trainings are written in hours.
_MOST_MINUTES = 600.0

_MEASURED = ("encoder RTF (load)", "GMAC/s", "memory (MB)")
_COST_NOTES = """\
A cost is that of one model, mean over seeds. Where a model is built on training that
serves several sizes (EncRL, fine-tuning together), it is written *own + shared =
whole*, the shared part counted in full for that one model. {times}Audio-hours are what
the model was shown, all epochs together; PFLOP are 10^15 floating-point operations of
training, the frozen teacher's share of them in brackets. Training the reference is not
part of a student's cost. RTF: encoder seconds per second of audio, median of the runs;
load: of the whole machine just before (one minute's average, the highest of the seeds).
GMAC/s: 10^9 multiply-adds per second of audio. Memory: 10^6 bytes that a forward pass
takes on top of the loaded model."""
_TIME_NOTES = """\
Training: wall-clock time of the training steps, whatever else the machine does.
Processor: time of the training process, all its threads together; that of other
processes does not count. """
_CACHE_NOTES = """\
It leaves out the pass that filled the teacher's cache, which was not measured so
({names}). """
_FAMILY_NOTES = """\
All sizes of a method made together, what they share counted once; mean over the
complete sets of sizes. Times are as in the table of costs. Last column: PFLOP of the
same sizes from scratch (variant {baseline}) divided by this family's."""


def cost_table(results: Mapping[str, Any]) -> Table:
    """What training and running take, in the lines of `table.quality_table`.

    Raises:
        UserError: If there is no row.
    """
    groups = groups_of(results)
    unit, seconds = _time_unit(group.whole for group in groups)
    header = _cost_header(unit)
    lines = [
        [
            *name_cells(group),
            *_cost_cells(group.own, group.shared, group.has_shared, seconds),
            _rtf_cell(group),
            cost(group.macs, 1e9),
            number(group.peak_memory_mb, 0),
        ]
        for group in groups
    ]
    notes = _COST_NOTES.format(times=_time_notes(results))
    return make_table(
        "Cost",
        (*NAME_HEADER, *header, *_MEASURED),
        lines,
        notes + kept_note([(group.label, group.kept) for group in groups]),
        (header[1], *_MEASURED[1:]),
    )


def family_table(results: Mapping[str, Any]) -> Optional[Table]:
    """What all sizes of a method cost together; None if none has two sizes."""
    families = family_costs(results["rows"], results.get("shared", []))
    scratch = [family for family in families if family.method == "scratch"]
    unit, seconds = _time_unit(family.whole for family in families)
    header = _cost_header(unit)
    lines = [
        [
            family.name,
            "+".join(map(str, family.layers)) + family.kept.mark,
            str(family.sets),
            *_cost_cells(
                family.own,
                family.shared,
                bool(family.shared["train_flops"] != 0),
                seconds,
            ),
            _ratio(scratch, family),
        ]
        for family in families
    ]
    if not lines:
        return None
    baseline = (scratch[0].variant if scratch else "") or "-"
    notes = _FAMILY_NOTES.format(baseline=baseline)
    return make_table(
        "The whole family",
        ("family", "layers", "sets", *header, "scratch / this"),
        lines,
        notes + kept_note([(family.name, family.kept) for family in families]),
        (header[1],),
    )


def _time_unit(costs: Iterable[Cost]) -> tuple[str, float]:
    """Choose the unit of a table's times: its name, and the seconds it has."""
    known = [one["train_seconds"] for one in costs if one["train_seconds"] is not None]
    if max(known, default=0.0) > 60.0 * _MOST_MINUTES:
        return "h", _SECONDS_PER_HOUR
    return "min", 60.0


def _cost_header(unit: str) -> tuple[str, ...]:
    return (f"training {unit}", f"processor {unit}", "audio-hours", "PFLOP (teacher)")


def _time_notes(results: Mapping[str, Any]) -> str:
    entries = [*results["rows"], *results.get("shared", [])]
    cached = [one for one in entries if one.get("cpu_without_cache")]
    names = ", ".join(one.get("name") or one.get("dir", "") for one in cached)
    return _TIME_NOTES + (_CACHE_NOTES.format(names=names) if cached else "")


def _rtf_cell(group: Group) -> str:
    if group.encoder_rtf is None or group.rtf_load is None:
        return rtf_text(group)
    return f"{rtf_text(group)} ({group.rtf_load:.1f})"


def _cost_cells(
    own: Cost, shared: Cost, has_shared: bool, seconds_per_unit: float
) -> list[str]:
    cells = [
        _sum_cell(own[key], shared[key], unit, has_shared)
        for key, unit in (
            ("train_seconds", seconds_per_unit),
            ("cpu_seconds", seconds_per_unit),
            ("audio_seconds", _SECONDS_PER_HOUR),
        )
    ]
    flops = [_with_teacher(one) for one in (own, shared)]
    cell = _sum_cell(flops[0], flops[1], _FLOPS_PER_PFLOP, has_shared)
    whole = sum_cost(flops)
    if whole:
        teacher = own["teacher_flops"] + shared["teacher_flops"]
        cell += f" ({100.0 * teacher / whole:.0f} %)"
    return [*cells, cell]


def _with_teacher(one: Cost) -> Optional[float]:
    return sum_cost([one["train_flops"], one["teacher_flops"]])


def _sum_cell(
    own: Optional[float], shared: Optional[float], unit: float, has_shared: bool
) -> str:
    if not has_shared:
        return cost(own, unit)
    whole = cost(sum_cost([own, shared]), unit)
    return f"{cost(own, unit)} + {cost(shared, unit)} = {whole}"


def _ratio(scratch: Sequence[Family], family: Family) -> str:
    same = [one for one in scratch if one.layers == family.layers]
    if not same:
        return NOT_KNOWN
    ours, theirs = _with_teacher(family.whole), _with_teacher(same[0].whole)
    return f"{theirs / ours:.2f}" if ours and theirs else NOT_KNOWN
