"""Compare an exported model in other runtimes with onnxruntime.

    pip install openvino tract
    python benchmarks/other_runtimes.py exp/asr_x/export/onnx/model.onnx a.wav b.wav

Each recording is given alone, and all of them together as one batch. The command prints
the largest difference of the log-probabilities in valid frames, and how many frames
have another best token; or the first line of the runtime's error.
"""

import argparse
from functools import partial
from pathlib import Path
from typing import Callable, Sequence

import numpy as np
import onnxruntime
import soundfile

Feed = dict[str, np.ndarray]
Run = Callable[[Feed], Sequence[np.ndarray]]


def main() -> None:
    """Print a line for each runtime and batch."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("model", type=Path, help="model.onnx that takes samples")
    parser.add_argument("audio", nargs="+", help="recordings at the model's rate")
    args = parser.parse_args()
    waves = [soundfile.read(path, dtype="float32")[0] for path in args.audio]
    own = in_onnxruntime(args.model)
    for name, load in {"OpenVINO": in_openvino, "tract": in_tract}.items():
        try:
            other = load(args.model)
        except ImportError as error:
            print(f"{name}: not installed ({error})")
            continue
        except Exception as error:  # each runtime has errors of its own
            print(f"{name}: not loaded: {first_line(error)}")
            continue
        for what, batch in {"alone": [[w] for w in waves], "batch": [waves]}.items():
            print(f"{name}, {what}: {compared(own, other, batch)}")


def compared(own: Run, other: Run, batches: Sequence[Sequence[np.ndarray]]) -> str:
    """Return the largest difference over all batches in words."""
    largest, frames, different = 0.0, 0, 0
    for waves in batches:
        lengths = np.array([len(wave) for wave in waves], dtype=np.int64)
        samples = np.zeros((len(waves), lengths.max()), dtype=np.float32)
        for row, wave in zip(samples, waves):
            row[: len(wave)] = wave
        feed = {"samples": samples, "lengths": lengths}
        right, counts = own(feed)
        try:
            found, others = other(feed)
        except Exception as error:
            return f"fails: {first_line(error)}"
        if found.shape != right.shape or (others != counts).any():
            return f"shape {found.shape}, lengths {others}: not {right.shape}, {counts}"
        for one, two, count in zip(right, found, counts):
            largest = max(largest, float(np.abs(one - two)[:count].max()))
            different += int((one.argmax(-1) != two.argmax(-1))[:count].sum())
            frames += int(count)
    return f"{largest:.1e} off, another best token in {different} of {frames} frames"


def in_onnxruntime(model: Path) -> Run:
    """Return the model in onnxruntime."""
    session = onnxruntime.InferenceSession(str(model))
    names = {one.name for one in session.get_inputs()}
    if names != {"samples", "lengths"}:
        raise SystemExit(f"{model}: takes {sorted(names)}, not samples and lengths")
    return partial(session.run, None)


def in_openvino(model: Path) -> Run:
    """Return the model in OpenVINO, in 32 bits (its default can be bfloat16)."""
    import openvino

    core = openvino.Core()
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(str(model)), "CPU", settings)

    def run(feed: Feed) -> list[np.ndarray]:
        found = compiled(feed)
        return [found[one] for one in compiled.outputs]

    return run


def in_tract(model: Path) -> Run:
    """Return the model in tract."""
    import tract

    loaded = tract.onnx().load(str(model)).into_model().into_runnable()

    def run(feed: Feed) -> list[np.ndarray]:
        return [
            one.to_numpy() for one in loaded.run([feed["samples"], feed["lengths"]])
        ]

    return run


def first_line(error: Exception) -> str:
    """Return the first line of an error, shortened."""
    return " ".join(str(error).split("Stack backtrace")[0].split())[:300]


if __name__ == "__main__":
    main()
