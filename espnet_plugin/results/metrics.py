"""The table of metrics: their sources and how they are shown.

To add a metric, add one entry to `METRICS`. It is then ``<name>_mean`` in the
aggregates of ``results.json`` and is shown in the tables, markdown and HTML, that its
columns name. A figure that no field of `Row` holds is read from an experiment's
file with a `FileValue`, and is kept in ``results.json`` under the metric's name:

    Metric(
        "energy_joule",
        FileValue("rtf", "energy_joule"),
        (Column(COST, "energy (J)", figure(fixed(1)), optional=True, note="..."),),
    )

It can also be chosen as an axis of the picture in report.html; its name there is the
header of its first column unless the entry has an `Axis`.

Columns and the notes below the tables are in the order of the entries.
"""

from typing import Iterator

from espnet_plugin.results.cell_text import (
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
from espnet_plugin.results.metric import (
    CONFIDENCE,
    COST,
    DEVICE,
    DUAL,
    FAMILY,
    QUALITY,
    TIME,
    Axis,
    Column,
    FileValue,
    Metric,
    PooledInterval,
)

__all__ = ["METRICS", "columns_of", "cost_metrics", "file_values", "find_metric"]

_MEGA, _GIGA, _PETA, _HOUR = 1e6, 1e9, 1e15, 3600.0
_PAID = f"{COST}+{FAMILY}"

# Not formatted by black, so that it can be read as a table.
# fmt: off
METRICS: tuple[Metric, ...] = (
    Metric("params", "size.params", aggregated=False, columns=(
        Column(QUALITY, "params (M)", figure(fixed(2)), _MEGA),
    ), axis=Axis("parameters (million)")),
    Metric("params_nonzero", "size.params_nonzero", aggregated=False, columns=(
        Column(QUALITY, "non-zero (M)", marked_if_pruned(fixed(2)), _MEGA, True),
        Column(DUAL, "streaming params, non-zero (M)", figure(fixed(2)), _MEGA, note="""
            Non-zero: masked heads, units and channels are cut out; masked blocks stay
            in the matrices as zeros, so they do not make the model faster than the
            dense one."""),
    ), axis=Axis("non-zero parameters (million)")),
    Metric("file_bytes", "size.file_bytes", aggregated=False, columns=(
        Column(QUALITY, "file (MB)", figure(fixed(2)), _MEGA, True, note="""
            File: size of the checkpoint file."""),
    ), axis=Axis("file size (MB)")),
    Metric("blocks_file_bytes", "dual_mode.blocks_file_bytes", (
        Column(DUAL, "file without masked blocks MB", figure(known(fixed(2))), _MEGA,
               True, note="""
            File without masked blocks: `model.blocks.pth`, the same model, which stores
            only unmasked blocks, each with a 32-bit number for its position."""),
    ), aggregated=False),
    Metric("test_wer", "quality.test_wer", ranged=True, columns=(
        Column(QUALITY, "test WER % [95 %]", rate("wer_ci95")),
        Column(QUALITY, "[by speaker]", only_interval("wer_ci95_speakers"), 1.0, True),
        Column(QUALITY, "seeds (range)", seeds_and_range),
    ), intervals=(
        PooledInterval("wer_ci95", "test_errors_by_unit", "test_words_by_unit"),
        PooledInterval(
            "wer_ci95_speakers", "test_errors_by_speaker", "test_words_by_speaker"),
    )),
    Metric("test_cer", "quality.test_cer", columns=(
        Column(QUALITY, "test CER % [95 %]", rate("cer_ci95")),
    ), intervals=(
        PooledInterval("cer_ci95", "test_char_errors_by_unit", "test_chars_by_unit"),
    )),
    Metric("dev_wer", "quality.dev_wer", columns=(
        Column(QUALITY, "dev WER % [95 %]", rate("dev_wer_ci95")),
    ), intervals=(
        PooledInterval("dev_wer_ci95", "dev_errors_by_unit", "dev_words_by_unit"),
    )),
    Metric("sparsity", "dual_mode.sparsity", aggregated=False, columns=(
        Column(DUAL, "masked", figure(percent), note="""
            Masked: share of masked weights, out of those that can be masked."""),
    ), axis=Axis("share of weights masked", less_is_better=False)),
    Metric("chunk_rtf", "dual_mode.chunk_rtf", aggregated=False, columns=(
        Column(DUAL, "RTF of one chunk", figure(significant), note="""
            RTF of one chunk: seconds to compute a chunk on one thread, per second of
            audio in it (median), for the model as it is decoded (the sub-network cut
            out)."""),
    ), axis=Axis("speed: real-time factor of one chunk")),
    Metric("latency_ms", "dual_mode.latency_ms", aggregated=False, columns=(
        Column(DUAL, "latency ms", figure(fixed(0)), note="""
            Latency: algorithmic latency, from the middle of a chunk's first feature
            frame to the last sample that the chunk needs."""),
    ), axis=Axis("latency of streaming (ms)")),
    Metric("train_seconds", "training.train_seconds", is_cost=True, columns=(
        Column(_PAID, "training {time}", paid, TIME, note="""
            Training: wall-clock time of the training steps; other work on the machine
            makes it longer."""),
        Column(DUAL, "training min", shared_part, 60.0, note="""
            Training: both modes together, plus the full cost of everything the training
            started from (a pre-training, a model that is then pruned)."""),
    ), axis=Axis("training time, wall clock ({time})")),
    Metric("cpu_seconds", "training.cpu_seconds", is_cost=True, columns=(
        Column(_PAID, "processor {time}", paid, TIME, True, note="""
            Processor: processor time of the training process, all its threads together;
            other processes are not counted.{cache}"""),
    ), axis=Axis("training time, processor ({time})")),
    Metric("audio_seconds", "training.audio_seconds", is_cost=True, columns=(
        Column(_PAID, "audio-hours", paid, _HOUR, note="""
            Audio-hours: audio used in training, all epochs together."""),
    ), axis=Axis("audio shown in training (hours)")),
    Metric("train_flops", "training.train_flops", is_cost=True, columns=(
        Column(_PAID, "PFLOP (teacher)", paid_with_teacher, _PETA, note="""
            PFLOP: 10^15 floating-point operations in training, with the share of the
            frozen teacher in brackets. The training of the reference is not part of a
            student's cost."""),
        Column(DUAL, "PFLOP", shared_part, _PETA),
    ), axis=Axis("training operations ({operations})", lambda one: one.whole.flops)),
    Metric("teacher_flops", "training.teacher_flops", is_cost=True),
    Metric("epochs", "training.epochs", is_cost=True),
    Metric("encoder_rtf", "running.encoder_rtf", columns=(
        Column(COST, "encoder RTF (load)", rtf_and_load("rtf_load"), note="""
            RTF: encoder seconds per second of audio, median of the runs; load: load of
            the whole machine just before the measurement (average over one minute, the
            highest of the seeds)."""),
    ), axis=Axis("speed: real-time factor of the encoder")),
    Metric("rtf_load", "running.rtf_load", average=max, aggregated=False),
    Metric("macs_per_audio_second", "running.macs_per_audio_second", (
        Column(COST, "GMAC/s", figure(significant), _GIGA, True, note="""
            GMAC/s: 10^9 multiply-adds per second of audio."""),
    ), aggregated=False,
           axis=Axis("operations (10^9 multiply-adds per s of audio)")),
    Metric("peak_memory_mb", "running.peak_memory_mb", aggregated=False, columns=(
        Column(COST, "memory (MB)", figure(fixed(0)), 1.0, True, note="""
            Memory: 10^6 bytes that a forward pass needs in addition to the loaded
            model."""),
    ), axis=Axis("memory (MB)")),
    Metric("dev_ece", FileValue("confidence", "ece_before"), aggregated=False, columns=(
        Column(CONFIDENCE, "dev ECE", figure(fixed(3)), note="""
            ECE: expected calibration error, the mean distance between the confidence of
            words and the share of correct words, in ten bins; 0 is perfect."""),
    )),
    Metric("dev_ece_after", FileValue("confidence", "ece_after"), aggregated=False,
           columns=(Column(CONFIDENCE, "calibrated", figure(fixed(3)), note="""
            Calibrated: with the temperature fitted on dev; dev itself is cross-fitted:
            each half uses the temperature fitted on the other half."""),)),
    Metric("test_ece", FileValue("confidence", "test_ece_before"), aggregated=False,
           columns=(Column(CONFIDENCE, "test ECE", figure(fixed(3)), 1.0, True),)),
    Metric("test_ece_after", FileValue("confidence", "test_ece_after"),
           aggregated=False,
           columns=(
        Column(CONFIDENCE, "test calibrated", figure(fixed(3)), 1.0, True),
    )),
    Metric("confidence_temperature", FileValue("confidence", "temperature"),
           aggregated=False, columns=(
        Column(CONFIDENCE, "temperature", figure(fixed(2)), note="""
            Temperature: a value above 1 means that the model was too confident."""),
    ), axis=Axis("temperature of confidence", less_is_better=False)),
    Metric("confidence_words", FileValue("confidence", "words"), aggregated=False,
           columns=(Column(CONFIDENCE, "dev words", figure(fixed(0))),),
           axis=Axis("dev words with a confidence", less_is_better=False)),
    Metric("export_bytes", "export.file_bytes", aggregated=False, columns=(
        Column(DEVICE, "file (MB)", figure(fixed(2)), _MEGA),
    )),
    Metric("export_wer", "export.wer", aggregated=False, columns=(
        Column(DEVICE, "WER % [95 %]", rate("export_wer_ci95"), 1.0, True, note="""
            WER: error rate of exactly this file, on the utterances of the development
            set that the export was tested on; the interval draws utterances."""),
    )),
    Metric("export_rtf_1s", "export.rtf_1s", aggregated=False, columns=(
        Column(DEVICE, "RTF 1 s", figure(significant), 1.0, True, note="""
            RTF: seconds from audio to text per second of audio, for utterances of 1, 3
            and 10 s, in the runtime that the file is made for (including the front end;
            median of 7 runs)."""),
    )),
    Metric("export_rtf_3s", "export.rtf_3s", aggregated=False, columns=(
        Column(DEVICE, "RTF 3 s", figure(significant), 1.0, True),
    )),
    Metric("export_rtf_10s", "export.rtf_10s", aggregated=False, columns=(
        Column(DEVICE, "RTF 10 s", figure(significant), 1.0, True),
    )),
    Metric("export_chunk_ms", "export.chunk_ms", aggregated=False, columns=(
        Column(DEVICE, "ms a chunk", figure(known(significant)), 1.0, True, note="""
            Ms a chunk: time to compute one chunk of a streaming model, including the
            front end."""),
    )),
    Metric("export_process_mb", "export.process_mb", aggregated=False, columns=(
        Column(DEVICE, "process (MB)", figure(fixed(0)), 1.0, True, note="""
            Process: highest resident memory, in 10^6 bytes, of the whole process that
            recognises an utterance of about 2 s with the folder's script, including
            interpreter, libraries and model."""),
    )),
    Metric("export_first_word_s", "export.first_word_s", aggregated=False, columns=(
        Column(DEVICE, "first word (s)", figure(significant), 1.0, True, note="""
            First word: time from the start of that process to its first text."""),
    )),
    Metric("export_others_cores", "export.others_cores", (
        Column(DEVICE, "others (cores)", figure(fixed(1)), 1.0, True, note="""
            Others: processor cores that other programs used during the measurement;
            above about 0.2 the times are too long."""),
    ), average=max, aggregated=False),
)
# fmt: on


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
    """Return the metrics that are costs of making a model."""
    return [metric for metric in METRICS if metric.is_cost]


def file_values(file: str) -> dict[str, str]:
    """Return the metrics' names and their keys in one of a folder's files."""
    sources = {metric.name: metric.source for metric in METRICS}
    return {
        name: source.key
        for name, source in sources.items()
        if isinstance(source, FileValue) and source.file == file
    }


def columns_of(table: str) -> Iterator[tuple[Metric, Column]]:
    """Yield the columns of a table, from left to right, with their metrics."""
    for metric in METRICS:
        for column in metric.columns:
            if table in column.tables.split("+"):
                yield metric, column
