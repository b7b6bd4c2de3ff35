"""The one table of metrics: what is measured, where it comes from, how it is shown.

To add a metric, add one entry to `METRICS`. It then stands under ``<name>_mean`` in the
aggregates of ``results.json`` and in the tables, markdown and HTML, that its columns
name. A figure that no field of `Row` holds is taken from a file of the experiment
folder with a `FileValue`, and is kept in ``results.json`` under the metric's name:

    Metric(
        "energy_joule",
        FileValue("rtf", "energy_joule"),
        (Column(COST, "energy (J)", figure(fixed(1)), optional=True, note="..."),),
    )
"""

from dataclasses import dataclass
from typing import Any, Callable, Iterator, Optional, Sequence, Union

import numpy as np

from espnet_plugin.results.cell_text import (
    Writer,
    figure,
    fixed,
    known,
    marked_if_pruned,
    only_interval,
    paid,
    paid_with_teacher,
    percent,
    rate,
    rtf_and_load,
    seeds_and_range,
    shared_part,
    significant,
)

__all__ = [
    *("COST", "DUAL", "FAMILY", "METRICS", "QUALITY", "TIME", "Column", "FileValue"),
    *("Metric", "PooledInterval", "columns_of", "cost_metrics", "file_values"),
    *("find_metric", "mean_if_all_known", "sum_if_known", "value_at"),
]

# The tables that columns may stand in.
QUALITY, COST, FAMILY, DUAL = "quality", "cost", "family", "dual"
# The unit of a column of times: minutes or hours, whichever suits the whole table.
TIME = "time"

Known = Sequence[float]


def mean(values: Known) -> float:
    """Mean of what is known."""
    return float(np.mean(values))


def sum_if_known(values: Sequence[Optional[float]]) -> Optional[float]:
    """Sum, or None as soon as one is not known."""
    return None if any(value is None for value in values) else float(sum(values))


def mean_if_all_known(values: Sequence[Optional[float]]) -> Optional[float]:
    """Mean, or None as soon as one is not known."""
    total = sum_if_known(values)
    return None if total is None else total / len(values)


def value_at(entry: Any, path: str) -> Any:
    """Follow a dotted path of fields; None where a part on the way is not there."""
    for name in path.split("."):
        entry = getattr(entry, name, None)
    return entry


@dataclass(frozen=True)
class FileValue:
    """A figure of an experiment folder's file that no field of `Row` holds.

    Attributes:
        file: ``rtf`` or ``cost``: which of rtf.json and cost.json.
        key: Its key there.
    """

    file: str
    key: str


@dataclass(frozen=True)
class PooledInterval:
    """A 95 % interval of a metric's mean over seeds, from fields of `Quality`.

    Attributes:
        name: Field with the interval of one seed, and key in the aggregates.
        errors: Field with the errors by unit, which are pooled over several seeds.
        lengths: Field with the words or characters by unit.
    """

    name: str
    errors: str
    lengths: str


@dataclass(frozen=True)
class Column:
    """Where and how a metric is shown.

    Attributes:
        tables: One table, or several.
        header: Name of the column; ``{time}`` stands for the unit of a table's times.
        write: Writes the cell.
        unit: What figures are divided by, or `TIME`.
        optional: Whether the column is left out where nothing is known for it.
        note: What has to be known to read it; it stands below the table. ``{cache}``
            stands for what is known of the teacher's cache.
    """

    tables: Union[str, tuple[str, ...]]
    header: str
    write: Writer
    unit: Union[float, str] = 1.0
    optional: bool = False
    note: str = ""


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: Unique; the beginning of its keys in the aggregates.
        source: Dotted path of a field of `Row` (of a cost: of `SharedRun` too), or a
            `FileValue`.
        columns: Where it is shown.
        average: What becomes of the known figures of several seeds.
        is_cost: Whether it is paid for making a model: it is then added up with that of
            shared runs and over families, stands in the aggregates within
            ``own_cost_mean`` and ``whole_cost_mean``, and is not known as soon as a
            part of it is not.
        aggregated: Whether it stands in the aggregates.
        ranged: Whether its lowest and highest seed stand there too.
        intervals: Its intervals, which stand there too.
    """

    name: str
    source: Union[str, FileValue]
    columns: tuple[Column, ...] = ()
    average: Callable[[Known], float] = mean
    is_cost: bool = False
    aggregated: bool = True
    ranged: bool = False
    intervals: tuple[PooledInterval, ...] = ()

    def of(self, entry: Any) -> Optional[float]:
        """Return the figure of a row or a shared run; None where it is not known."""
        if isinstance(self.source, FileValue):
            return entry.more.get(self.name)
        return value_at(entry, self.source)


_MEGA, _GIGA, _PETA, _HOUR = 1e6, 1e9, 1e15, 3600.0

METRICS: tuple[Metric, ...] = (
    Metric(
        "params",
        "size.params",
        (Column(QUALITY, "params (M)", figure(fixed(2)), _MEGA),),
        aggregated=False,
    ),
    Metric(
        "params_nonzero",
        "size.params_nonzero",
        (
            Column(QUALITY, "non-zero (M)", marked_if_pruned(fixed(2)), _MEGA, True),
            Column(
                DUAL,
                "streaming params, non-zero (M)",
                figure(fixed(2)),
                _MEGA,
                note="Non-zero: masked heads, units and channels are cut out; masked "
                "blocks are zeros, multiplied like any number, so the model is no "
                "faster than the dense one.",
            ),
        ),
        aggregated=False,
    ),
    Metric(
        "file_bytes",
        "size.file_bytes",
        (
            Column(
                QUALITY,
                "file (MB)",
                figure(fixed(2)),
                _MEGA,
                optional=True,
                note="File: the checkpoint as it is.",
            ),
        ),
        aggregated=False,
    ),
    Metric(
        "blocks_file_bytes",
        "dual_mode.blocks_file_bytes",
        (
            Column(
                DUAL,
                "file without masked blocks MB",
                figure(known(fixed(2))),
                _MEGA,
                optional=True,
                note="File without masked blocks: `model.blocks.pth`, the same model, "
                "in which each unmasked block stands with a 32-bit number.",
            ),
        ),
        aggregated=False,
    ),
    Metric(
        "test_wer",
        "quality.test_wer",
        (
            Column(QUALITY, "test WER % [95 %]", rate("wer_ci95")),
            Column(
                QUALITY,
                "[by speaker]",
                only_interval("wer_ci95_speakers"),
                optional=True,
            ),
            Column(QUALITY, "seeds (range)", seeds_and_range),
        ),
        ranged=True,
        intervals=(
            PooledInterval("wer_ci95", "test_errors_by_unit", "test_words_by_unit"),
            PooledInterval(
                "wer_ci95_speakers", "test_errors_by_speaker", "test_words_by_speaker"
            ),
        ),
    ),
    Metric(
        "test_cer",
        "quality.test_cer",
        (Column(QUALITY, "test CER % [95 %]", rate("cer_ci95")),),
        intervals=(
            PooledInterval(
                "cer_ci95", "test_char_errors_by_unit", "test_chars_by_unit"
            ),
        ),
    ),
    Metric(
        "dev_wer",
        "quality.dev_wer",
        (Column(QUALITY, "dev WER % [95 %]", rate("dev_wer_ci95")),),
        intervals=(
            PooledInterval("dev_wer_ci95", "dev_errors_by_unit", "dev_words_by_unit"),
        ),
    ),
    Metric(
        "sparsity",
        "dual_mode.sparsity",
        (
            Column(
                DUAL,
                "masked",
                figure(percent),
                note="Masked: share of the weights within reach of the masks.",
            ),
        ),
        aggregated=False,
    ),
    Metric(
        "chunk_rtf",
        "dual_mode.chunk_rtf",
        (
            Column(
                DUAL,
                "RTF of one chunk",
                figure(significant),
                note="RTF of one chunk: median seconds of computing a chunk on one "
                "thread, per second of audio in it, of the model as it is decoded (the "
                "sub-network cut out).",
            ),
        ),
        aggregated=False,
    ),
    Metric(
        "latency_ms",
        "dual_mode.latency_ms",
        (
            Column(
                DUAL,
                "latency ms",
                figure(fixed(0)),
                note="Latency: algorithmic, from the middle of a chunk's first feature "
                "frame to the last sample that the chunk needs.",
            ),
        ),
        aggregated=False,
    ),
    Metric(
        "train_seconds",
        "training.train_seconds",
        (
            Column(
                (COST, FAMILY),
                "training {time}",
                paid,
                TIME,
                note="Training: wall-clock time of the training steps, whatever else "
                "the machine does.",
            ),
            Column(
                DUAL,
                "training min",
                shared_part,
                60.0,
                note="Training: of both modes together, with all that it started from "
                "(a pre-training, the model that is pruned afterwards), counted in "
                "full.",
            ),
        ),
        is_cost=True,
    ),
    Metric(
        "cpu_seconds",
        "training.cpu_seconds",
        (
            Column(
                (COST, FAMILY),
                "processor {time}",
                paid,
                TIME,
                optional=True,
                note="Processor: time of the training process, all its threads "
                "together; that of other processes does not count.{cache}",
            ),
        ),
        is_cost=True,
    ),
    Metric(
        "audio_seconds",
        "training.audio_seconds",
        (
            Column(
                (COST, FAMILY),
                "audio-hours",
                paid,
                _HOUR,
                note="Audio-hours are what the model was shown, all epochs together;",
            ),
        ),
        is_cost=True,
    ),
    Metric(
        "train_flops",
        "training.train_flops",
        (
            Column(
                (COST, FAMILY),
                "PFLOP (teacher)",
                paid_with_teacher,
                _PETA,
                note="PFLOP are 10^15 floating-point operations of training, the "
                "frozen teacher's share of them in brackets. Training the reference is "
                "not part of a student's cost.",
            ),
            Column(DUAL, "PFLOP", shared_part, _PETA),
        ),
        is_cost=True,
    ),
    Metric("teacher_flops", "training.teacher_flops", is_cost=True),
    Metric("epochs", "training.epochs", is_cost=True),
    Metric(
        "encoder_rtf",
        "running.encoder_rtf",
        (
            Column(
                COST,
                "encoder RTF (load)",
                rtf_and_load("rtf_load"),
                note="RTF: encoder seconds per second of audio, median of the runs; "
                "load: of the whole machine just before (one minute's average, the "
                "highest of the seeds).",
            ),
        ),
    ),
    Metric("rtf_load", "running.rtf_load", average=max, aggregated=False),
    Metric(
        "macs_per_audio_second",
        "running.macs_per_audio_second",
        (
            Column(
                COST,
                "GMAC/s",
                figure(significant),
                _GIGA,
                optional=True,
                note="GMAC/s: 10^9 multiply-adds per second of audio.",
            ),
        ),
        aggregated=False,
    ),
    Metric(
        "peak_memory_mb",
        "running.peak_memory_mb",
        (
            Column(
                COST,
                "memory (MB)",
                figure(fixed(0)),
                optional=True,
                note="Memory: 10^6 bytes that a forward pass takes on top of the "
                "loaded model.",
            ),
        ),
        aggregated=False,
    ),
)


def find_metric(name: str) -> Metric:
    """Return a metric by its name.

    Raises:
        KeyError: If there is none.
    """
    for metric in METRICS:
        if metric.name == name:
            return metric
    raise KeyError(name)


def cost_metrics() -> list[Metric]:
    """Return the metrics that are paid for making a model."""
    return [metric for metric in METRICS if metric.is_cost]


def file_values(file: str) -> dict[str, str]:
    """Return the metrics' names and their keys in one of a folder's files."""
    sources = [(one.name, one.source) for one in METRICS]
    return {
        name: source.key
        for name, source in sources
        if isinstance(source, FileValue) and source.file == file
    }


def columns_of(table: str) -> Iterator[tuple[Metric, Column]]:
    """Yield the columns of a table, from left to right, with their metrics."""
    for metric in METRICS:
        for column in metric.columns:
            tables = column.tables
            if table in ((tables,) if isinstance(tables, str) else tables):
                yield metric, column
