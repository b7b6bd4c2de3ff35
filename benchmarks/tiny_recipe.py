"""The EncRL recipe on noise with the smallest models, for runs that are interrupted."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Optional

import numpy as np
import soundfile

ROOT = Path(__file__).resolve().parents[1]
CONF = ROOT / "conf"
WARM = ROOT / "tests/recipes/warm_python.py"
RATE = 16000
SETS = {"train": 24, "dev": 6, "test": 6}
WORDS = "ONE TWO THREE FOUR FIVE SIX".split()
OPTIONS = (
    *("--reference_config", f"{CONF}/tiny_reference.yaml"),
    *("--encrl_config", f"{CONF}/tiny_encrl.yaml"),
    *("--finetune_config", f"{CONF}/tiny_ctc.yaml"),
    *("--baseline_training", f"{CONF}/tiny_ctc.yaml"),
    *("--sizes", "2 1", "--speed_perturb_factors", "0.9 1.0"),
)
# What stages write; the rest of the folder is as it was made.
WRITTEN = ("data", "dump", "exp", "RESULTS.md", "results.json")


def make_recipe(folder: Path) -> Path:
    """Make a recipe folder after stage 1 in ``folder``; return it."""
    recipe = folder / "tiny/encrl1"
    setup = ROOT / "egs2/TEMPLATE/encrl1/setup.sh"
    subprocess.run([setup, recipe], check=True, stdout=subprocess.DEVNULL)
    rng = np.random.default_rng(0)
    wav = folder / "wav"
    wav.mkdir(parents=True, exist_ok=True)
    for name, count in SETS.items():
        data = recipe / "data" / name
        data.mkdir(parents=True)
        tables: dict[str, list[str]] = {"wav.scp": [], "text": [], "utt2spk": []}
        for n in range(count):
            utt, path = f"{name}{n:02d}", wav / f"{name}{n:02d}.wav"
            samples = 0.1 * rng.standard_normal(2 * RATE + 800 * n)
            soundfile.write(path, samples, RATE)
            words = " ".join(rng.choice(WORDS, 3))
            for table, value in zip(tables, (path, words, f"{name}-s")):
                tables[table].append(f"{utt} {value}\n")
        for table, lines in tables.items():
            (data / table).write_text("".join(lines))
    (recipe / "exp").mkdir()
    return recipe


class WarmPython:
    """A Python that has imported ESPnet, whose commands are forked from it.

    An import is most of what a command of the tiny recipe takes.
    """

    def __init__(self, folder: Path):
        self.socket = folder / "warm"
        self.socket.unlink(missing_ok=True)
        self.server = subprocess.Popen(
            [sys.executable, WARM, "serve", self.socket],
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            preexec_fn=_heed_interrupts,
        )
        if self.server.stdout.readline() != b"ready\n":
            raise RuntimeError("warm_python.py does not start")

    def jobs(self) -> list[int]:
        """Return the processes that do the work: all below those that watch them."""
        below: dict[int, list[int]] = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            below.setdefault(int(fields[1]), []).append(int(stat.parent.name))
        found, new = [], [
            job for one in below.get(self.server.pid, ()) for job in below.get(one, ())
        ]
        while new:
            found += new
            new = [job for one in new for job in below.get(one, ())]
        return found


def _heed_interrupts() -> None:
    # What a shell started in the background ignores Ctrl-C, and its children.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _environment(**more: str) -> dict[str, str]:
    return {
        **os.environ,
        "VENV": sys.prefix,
        "ESPNET_PLUGIN_ROOT": str(ROOT),
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        # As path.sh sets them.
        "LC_ALL": "C",
        "PYTHONIOENCODING": "UTF-8",
        **more,
    }


def start(
    recipe: Path,
    stage: int,
    log: Path,
    warm: Optional[WarmPython] = None,
    *further: str,
) -> subprocess.Popen:
    """Start a stage in a group of processes of its own; its messages go to ``log``."""
    stages = ["--stage", f"{stage}", "--stop_stage", f"{stage}"]
    return _start(["./run.sh", *OPTIONS, *stages, *further], recipe, log, warm)


def start_jobs(
    recipe: Path, max_jobs: int, log: Path, warm: Optional[WarmPython] = None
) -> subprocess.Popen:
    """Start a job array of two seeds, two sizes and a baseline."""
    jobs = ["--seeds", "1 2", "--sizes", "2 1", "--baselines", "scratch"]
    jobs += ["--max_jobs", f"{max_jobs}"]
    return _start(["./jobs.sh", *jobs, "--", *OPTIONS], recipe, log, warm)


def _start(
    command: list[str], recipe: Path, log: Path, warm: Optional[WarmPython]
) -> subprocess.Popen:
    more = {}
    if warm is not None:
        more["WARM_PYTHON"] = str(warm.socket)
        command = [*command, "--python", f"{sys.executable} -S {WARM}"]
    with log.open("ab") as stream:
        return subprocess.Popen(
            command,
            cwd=recipe,
            env=_environment(**more),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
            preexec_fn=_heed_interrupts,
        )


def save(recipe: Path, kept: Path) -> None:
    """Copy what the stages have written, with its times."""
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    for name in WRITTEN:
        _copy(recipe / name, kept / name)


def restore(recipe: Path, kept: Path) -> None:
    """Put back what :func:`save` copied; the folders themselves stay."""
    for name in WRITTEN:
        path = recipe / name
        if path.is_dir():
            for inner in path.iterdir():
                shutil.rmtree(inner) if inner.is_dir() else inner.unlink()
        else:
            path.unlink(missing_ok=True)
        _copy(kept / name, path)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
    elif source.exists():
        shutil.copy2(source, target)
