"""Measure the files of an export as their user will run them."""

import json
import logging
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Sequence

import numpy as np
import soundfile

from espnet_plugin.errors import UserError
from espnet_plugin.export.script_run import run_script
from espnet_plugin.export.timing.others import OtherWork
from espnet_plugin.measure.speed import cpu_name

__all__ = ["LENGTHS_S", "Timed", "Workload", "measure_file"]

LENGTHS_S = (1, 3, 10)
_RUNS, _STARTS = 7, 3
# More than this of others' work makes a time doubtful.
_QUIET_CORES = 0.2
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Workload:
    """What the files of an export are measured with.

    Attributes:
        script: The script in the folder, whose ``Recogniser`` is timed.
        audio: Ten seconds of samples ``(samples,)``, or of features ``(frames, dim)``.
        utterance: A short utterance, in the same form, that has a text.
        rate: Sampling rate in Hz; None: ``audio`` is of features.
        per_second: Samples, or feature frames, in a second.
        block: Samples of a chunk of a streaming model; None: it takes whole utterances.
        threads: Threads of the runtime.
    """

    script: Path
    audio: np.ndarray
    utterance: np.ndarray
    rate: Optional[int]
    per_second: float
    block: Optional[int] = None
    threads: int = 1


@dataclass(frozen=True)
class Timed:
    """What was measured; the fields are those of ``ExportedFile``."""

    rtf_1s: float
    rtf_3s: float
    rtf_10s: float
    chunk_ms: Optional[float]
    process_mb: float
    first_word_s: Optional[float]
    others_cores: Optional[float]
    threads: int
    cpu: str


def measure_file(model: str, work: Workload) -> Timed:
    """Measure one file.

    Its real-time factors are medians of several runs in one process, after a first one
    that is not counted, from samples (or features) to text. Memory and time to the
    first text are medians of several starts of the script on one short utterance.

    Args:
        model: Name of the file beside the script.
        work: What it is measured with.

    Raises:
        UserError: If the script fails.
    """
    others = OtherWork()
    with tempfile.TemporaryDirectory() as scratch:
        probed = _probe(model, work, Path(scratch))
        started = [_start(model, work, Path(scratch)) for _ in range(_STARTS)]
    cores = others.cores()
    if cores is not None and cores > _QUIET_CORES:
        logging.warning(
            "%s: other programs used %.1f processors during the measurement, so the "
            "times are too long: measure again when nothing else runs",
            model,
            cores,
        )
    rtf = {f"rtf_{n}s": probed["seconds"][str(n)] / n for n in LENGTHS_S}
    firsts = [one["first_word_s"] for one in started]
    timed = Timed(
        **rtf,
        chunk_ms=probed["chunk_ms"],
        process_mb=statistics.median(one["peak_bytes"] for one in started) / 1e6,
        first_word_s=None if None in firsts else statistics.median(firsts),
        others_cores=cores,
        threads=work.threads,
        cpu=cpu_name(),
    )
    logging.info(
        "%s: real-time factor %.4f at 10 s, %.0f MB, first text after %s s",
        model,
        timed.rtf_10s,
        timed.process_mb,
        "?" if timed.first_word_s is None else f"{timed.first_word_s:.2f}",
    )
    return timed


def _probe(model: str, work: Workload, scratch: Path) -> dict[str, Any]:
    np.save(scratch / "input.npy", work.audio)
    request = {
        "script": str(work.script),
        "model": model,
        "input": str(scratch / "input.npy"),
        "per_second": work.per_second,
        "block": work.block,
        "lengths": LENGTHS_S,
        "runs": _RUNS,
        "threads": work.threads,
    }
    (scratch / "work.json").write_text(json.dumps(request), encoding="utf-8")
    return _answer([str(_HERE / "probe.py"), str(scratch / "work.json")])


def _start(model: str, work: Workload, scratch: Path) -> dict[str, Any]:
    if work.rate is None:
        path = scratch / "utterance.npy"
        np.save(path, work.utterance)
    else:
        path = scratch / "utterance.wav"
        soundfile.write(path, work.utterance, work.rate, subtype="FLOAT")
    command = [sys.executable, str(work.script), str(path), "--model", model]
    command += ["--num_threads", str(work.threads)]
    found = _answer([str(_HERE / "launch.py"), *command])
    if found["status"] != 0:
        raise UserError(
            f"{work.script.name} ended with status {found['status']} during the "
            "measurement; run it by hand to see why"
        )
    return found


def _answer(arguments: Sequence[str]) -> dict[str, Any]:
    """Return the JSON that is the last line of a script's output."""
    script, *words = arguments
    return json.loads(run_script(Path(script), words).splitlines()[-1])
