"""Compare an exported model in other runtimes with onnxruntime.

    pip install openvino tract apache-tvm iree-base-compiler iree-base-runtime onnx
    pip install onnx2tf ai-edge-litert    # in another environment, with soundfile
    python benchmarks/other_runtimes.py exp/asr_x/export/onnx/model.onnx a.wav b.wav

Each recording is given alone, and all of them together as one batch. A model with an
input of fixed size (``model.fixed.onnx``) gets each recording alone, with zeros after
it; longer recordings are left out. The command prints the largest difference of the
log-probabilities in valid frames, and how many frames have another best token; or the
first line of the runtime's error.
"""

import argparse
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Callable, Optional, Sequence

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
    own, size, rate = in_onnxruntime(args.model)
    waves = [read_wave(path, rate) for path in args.audio]
    alone = [[w] for w in waves if size is None or len(w) <= size]
    if not alone:
        raise SystemExit(f"{args.model}: every recording is longer than its input")
    batches = {"alone": alone}
    if size is None:
        batches["batch"] = [waves]
    for name, load in RUNTIMES.items():
        try:
            other = load(args.model)
        except ImportError as error:
            print(f"{name}: not installed ({error})")
            continue
        except Exception as error:  # each runtime has errors of its own
            print(f"{name}: not loaded: {first_line(error)}")
            continue
        for what, batch in batches.items():
            print(f"{name}, {what}: {compared(own, other, batch, size)}")


def compared(
    own: Run, other: Run, batches: Sequence[Sequence[np.ndarray]], size: Optional[int]
) -> str:
    """Return the largest difference over all batches in words."""
    largest, frames, different = 0.0, 0, 0
    for waves in batches:
        lengths = np.array([len(wave) for wave in waves], dtype=np.int64)
        samples = np.zeros((len(waves), size or lengths.max()), dtype=np.float32)
        for row, wave in zip(samples, waves):
            row[: len(wave)] = wave
        feed = {"samples": samples, "lengths": lengths}
        right, counts = own(feed)
        try:
            found, others = map(np.asarray, other(feed))
        except Exception as error:
            return f"fails: {first_line(error)}"
        if found.shape != right.shape or (others != counts).any():
            return f"shape {found.shape}, lengths {others}: not {right.shape}, {counts}"
        if not all(np.isfinite(one[:count]).all() for one, count in zip(found, counts)):
            return "values that are not finite"
        for one, two, count in zip(right, found, counts):
            largest = max(largest, float(np.abs(one - two)[:count].max()))
            different += int((one.argmax(-1) != two.argmax(-1))[:count].sum())
            frames += int(count)
    return f"{largest:.1e} off, another best token in {different} of {frames} frames"


def read_wave(path: str, rate: Optional[int]) -> np.ndarray:
    """Return the samples of a recording with one channel, at the model's rate."""
    wave, found = soundfile.read(path, dtype="float32")
    if wave.ndim != 1 or not len(wave) or (rate is not None and found != rate):
        raise SystemExit(
            f"{path}: {len(wave)} samples at {found} Hz, shape {wave.shape}: give a "
            f"recording with one channel at {rate} Hz"
        )
    return wave


def in_onnxruntime(model: Path) -> tuple[Run, Optional[int], Optional[int]]:
    """Return the model in onnxruntime, its length if that is fixed, and its rate."""
    session = onnxruntime.InferenceSession(str(model))
    names = {one.name for one in session.get_inputs()}
    if names != {"samples", "lengths"}:
        raise SystemExit(f"{model}: takes {sorted(names)}, not samples and lengths")
    size = session.get_inputs()[0].shape[1]
    rate = session.get_modelmeta().custom_metadata_map.get("sample_rate")
    return (
        partial(session.run, None),
        size if isinstance(size, int) else None,
        None if rate is None else int(rate),
    )


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


def in_tvm(model: Path) -> Run:
    """Return the model compiled by TVM for this processor."""
    import onnx
    import tvm
    from tvm import relax
    from tvm.relax.frontend.onnx import from_onnx

    module = relax.transform.LegalizeOps()(from_onnx(onnx.load(str(model))))
    machine = relax.VirtualMachine(tvm.compile(module, target="llvm"), tvm.cpu())

    def run(feed: Feed) -> list[np.ndarray]:
        given = [tvm.runtime.tensor(feed[name]) for name in ("samples", "lengths")]
        return [one.numpy() for one in machine["main"](*given)]

    return run


def in_litert(model: Path) -> Run:
    """Return the model converted by onnx2tf, in LiteRT."""
    from ai_edge_litert.interpreter import Interpreter

    with tempfile.TemporaryDirectory() as folder:
        command = [str(Path(sys.executable).parent / "onnx2tf"), "-i", str(model)]
        command += ["-o", folder, "-n"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr or f"status {done.returncode}")
        (made,) = Path(folder).glob("*_float32.tflite")
        runtime = Interpreter(model_content=made.read_bytes())
    runtime.allocate_tensors()

    def run(feed: Feed) -> list[np.ndarray]:
        for one in runtime.get_input_details():
            (given,) = (feed[name] for name in feed if name in one["name"])
            runtime.set_tensor(one["index"], given.astype(one["dtype"]))
        runtime.invoke()
        details = runtime.get_output_details()
        found = [runtime.get_tensor(one["index"]) for one in details]
        return sorted(found, key=lambda one: -one.ndim)

    return run


def in_iree(model: Path) -> Run:
    """Return the model compiled by IREE for this processor."""
    import iree.runtime

    commands = Path(sys.executable).parent
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder, "model.mlir"), Path(folder, "model.vmfb")
        backend = "--iree-hal-local-target-device-backends=llvm-cpu"
        options = ["--iree-hal-target-device=local", backend]
        for command in (
            ["iree-import-onnx", str(model), "-o", str(source)],
            ["iree-compile", str(source), *options]
            + ["--iree-llvmcpu-target-cpu=host", "-o", str(made)],
        ):
            command[0] = str(commands / command[0])
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode != 0:
                raise RuntimeError(done.stderr or f"status {done.returncode}")
        module = iree.runtime.load_vm_flatbuffer(made.read_bytes(), driver="local-task")
    names = (one for one in module.vm_module.function_names if "$" not in one)
    function = module[next(one for one in names if not one.startswith("__"))]
    return lambda feed: [
        one.to_host() for one in function(feed["samples"], feed["lengths"])
    ]


RUNTIMES = {
    "OpenVINO": in_openvino,
    "tract": in_tract,
    "TVM": in_tvm,
    "IREE": in_iree,
    "LiteRT": in_litert,
}


def first_line(error: Exception) -> str:
    """Return the first line of an error, shortened."""
    return " ".join(str(error).split("Stack backtrace")[0].split())[:300]


if __name__ == "__main__":
    main()
