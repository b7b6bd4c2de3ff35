"""Measure the peak memory of a forward pass, in a separate process.

Importing ESPnet takes many seconds, so one process imports it for all models and forks
for each: ``python -m espnet_plugin.measure.memory``, which `peak_memory_mb` starts.
"""

import atexit
import ctypes
import json
import logging
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Any, Optional, Union

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

    A process that has only imported modules loads the model, returns freed memory to
    the system, and records its resident memory. It then recognises one utterance (front
    end to CTC arg max, without gradients) and records the peak of its resident memory.
    The result is the difference: activations, the audio and what torch allocates in a
    first pass. Python and the parameters (their size is that of the checkpoint) are not
    included.

    Args:
        model_dir: Folder with ``config.yaml``.
        model_file: Name of the checkpoint in it.
        audio_seconds: Duration of the utterance (noise) in seconds.
        threads: Number of threads of torch.

    Returns:
        Megabytes (10^6 bytes); None, with a warning, if the measurement is not
        possible. It needs Linux's ``/proc``.
    """
    request = [os.path.abspath(model_dir), model_file, audio_seconds, threads]
    answer = _server.ask({"cwd": os.getcwd(), "request": request})
    if "megabytes" in answer:
        return float(answer["megabytes"])
    logging.warning(
        "%s: peak memory could not be measured: %s", model_dir, answer["error"]
    )
    return None


class _Server:
    """The measuring process, which is started when it is first used."""

    def __init__(self):
        self._process: Optional[subprocess.Popen] = None

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Send a question and return the answer: ``megabytes`` or ``error``."""
        try:
            if self._process is None or self._process.poll() is not None:
                self._start()
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
            ready, _, _ = select.select([self._process.stdout], [], [], _TIME_LIMIT_S)
            line = self._process.stdout.readline() if ready else ""
            if not line:
                self.stop()
                return {
                    "error": "the measuring process crashed, or gave no answer in "
                    f"{_TIME_LIMIT_S} s"
                }
            return json.loads(line)
        except (OSError, ValueError) as error:
            self.stop()
            return {"error": str(error)}

    def stop(self) -> None:
        """End the process if it is running."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _start(self) -> None:
        root = str(Path(__file__).resolve().parents[2])
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(
            [sys.executable, "-m", __spec__.name],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # ESPnet's output during import looks like errors.
            stderr=subprocess.DEVNULL,
            text=True,
        )


_server = _Server()
atexit.register(_server.stop)


def _resident_kib(key: str) -> int:
    """Read ``VmRSS`` (now) or ``VmHWM`` (highest) of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1])
    raise OSError(f"/proc/self/status has no {key}")


def _forget_peak() -> None:
    """Reset ``VmHWM``: loading may have needed more memory than recognition."""
    Path("/proc/self/clear_refs").write_text("5")


def _measure(model_dir: Path, model_file: str, seconds: float, threads: int) -> float:
    import torch

    from espnet_plugin.checkpoints.checkpoint import choose_checkpoint
    from espnet_plugin.measure.workload import load_with_rate, make_input, recognise

    torch.set_num_threads(threads)
    checkpoint = choose_checkpoint(model_dir, model_file)
    model, rate = load_with_rate(model_dir, checkpoint)
    speech, lengths = make_input(model, rate, seconds)
    # Otherwise memory that malloc has kept after loading would be reused and not
    # counted.
    ctypes.CDLL(None).malloc_trim(0)
    _forget_peak()
    before = _resident_kib("VmRSS")
    with torch.inference_mode():
        recognise(model, speech, lengths)
    return (_resident_kib("VmHWM") - before) / _KIB_PER_MB


def main() -> None:
    """Answer questions on standard input, one per line, until it is closed."""
    logging.disable(logging.INFO)
    # Imported before forking, so that the child processes import nothing.
    from espnet_plugin import host
    from espnet_plugin.measure import workload  # noqa: F401

    host.register()

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # so that only answers go to the standard output
    for line in sys.stdin:
        question = json.loads(line)
        read_end, write_end = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read_end)
            try:
                os.chdir(question["cwd"])
                folder, *rest = question["request"]
                answer = {"megabytes": _measure(Path(folder), *rest)}
            except BaseException as error:  # the answer must come, whatever happens
                answer = {"error": str(error) or type(error).__name__}
            os.write(write_end, json.dumps(answer).encode())
            os._exit(0)
        os.close(write_end)
        with os.fdopen(read_end) as stream:
            content = stream.read()
        os.waitpid(child, 0)
        content = content or json.dumps({"error": "the measuring process crashed"})
        print(content, file=answers, flush=True)


if __name__ == "__main__":
    main()
