"""Peak memory of an encoder's forward pass, measured in a process of its own.

Run as ``python -m espnet_plugin.evaluate.memory``; `peak_memory_mb` does that.
"""

import argparse
import ctypes
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Optional, Union

__all__ = ["peak_memory_mb"]

_KIB_PER_MB = 1e6 / 1024
_TIME_LIMIT_S = 900


def peak_memory_mb(
    model_dir: Union[str, Path],
    model_file: str,
    audio_seconds: float = 10.0,
    threads: int = 1,
) -> Optional[float]:
    """Measure how much memory one forward pass needs on top of the loaded model.

    A fresh process loads the model, gives what loading left back to the system, and
    notes its resident memory. It then recognises one utterance (front end to CTC arg
    max, no gradient) and notes the highest resident memory of that time. The figure is
    the difference: activations, the audio and what torch sets up for a first pass. The
    parameters are not in it (their size is that of the checkpoint), nor is Python.

    Args:
        model_dir: With ``config.yaml``.
        model_file: Name of the checkpoint in it.
        audio_seconds: Length of the utterance, of noise.
        threads: Threads of torch.

    Returns:
        Megabytes (10^6 bytes), or None where the system does not tell (it takes
        Linux's ``/proc``); the reason is logged.
    """
    cmd = [sys.executable, "-m", __spec__.name]
    cmd += [str(model_dir), model_file, str(audio_seconds), str(threads)]
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    try:
        result = subprocess.run(
            cmd,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            capture_output=True,
            text=True,
            check=True,
            timeout=_TIME_LIMIT_S,
        )
        return float(json.loads(result.stdout.splitlines()[-1]))
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        lines = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        reason = lines[-1] if lines else type(error).__name__
        logging.warning("%s: peak memory is not known: %s", model_dir, reason)
        return None


def _resident_kib(key: str) -> int:
    """Read ``VmRSS`` (now) or ``VmHWM`` (highest) of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1])
    raise OSError(f"/proc/self/status has no {key}")


def _forget_peak() -> None:
    """Let ``VmHWM`` begin anew: loading may have needed more than recognising does."""
    Path("/proc/self/clear_refs").write_text("5")


def _measure(model_dir: Path, model_file: str, seconds: float, threads: int) -> float:
    import torch

    from espnet_plugin.evaluate.speed import load_with_rate, recognise, test_input
    from espnet_plugin.export.checkpoint import choose_checkpoint

    torch.set_num_threads(threads)
    checkpoint = choose_checkpoint(model_dir, model_file)
    model, rate = load_with_rate(model_dir, checkpoint)
    speech, lengths = test_input(model, rate, seconds)
    # What malloc keeps of the loading would be used again and so not be seen.
    ctypes.CDLL(None).malloc_trim(0)
    _forget_peak()
    before = _resident_kib("VmRSS")
    with torch.inference_mode():
        recognise(model, speech, lengths)
    return (_resident_kib("VmHWM") - before) / _KIB_PER_MB


def main() -> None:
    """Print the figure as the last line, for the process that asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model_dir", type=Path)
    parser.add_argument("model_file")
    parser.add_argument("audio_seconds", type=float)
    parser.add_argument("threads", type=int)
    args = parser.parse_args()
    logging.disable(logging.INFO)
    megabytes = _measure(
        args.model_dir, args.model_file, args.audio_seconds, args.threads
    )
    print(json.dumps(megabytes))


if __name__ == "__main__":
    main()
