"""The mini_an4 recipe, copied and run."""

import atexit
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
WARM = Path(__file__).with_name("warm_python.py")


def copy_recipe(folder: Path, kind: str = "encrl1") -> Path:
    """Make a recipe folder whose scripts are the repository's; results stay in it."""
    recipe = folder / "mini_an4" / kind
    recipe.mkdir(parents=True)
    stages = f"{kind.removesuffix('1')}.sh"
    for name in ("run.sh", stages, "path.sh", "cmd.sh", "db.sh", "conf", "local"):
        (recipe / name).symlink_to((ROOT / "egs2/mini_an4" / kind / name).resolve())
    return recipe


@functools.cache
def warm_server() -> str:
    """Start a Python with ESPnet in it, once; return the socket that it listens at."""
    folder = tempfile.mkdtemp(prefix="warm-")
    atexit.register(shutil.rmtree, folder)
    # As path.sh sets them: Python reads them when it starts.
    started = {"LC_ALL": "C", "PYTHONIOENCODING": "UTF-8", "OMP_NUM_THREADS": "1"}
    server = subprocess.Popen(
        [sys.executable, WARM, "serve", f"{folder}/socket"],
        env={**os.environ, **started},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    atexit.register(server.kill)
    assert server.stdout.readline() == b"ready\n"
    return f"{folder}/socket"


def run(
    recipe: Path, *options: str, check: bool = True, warm: bool = True
) -> subprocess.CompletedProcess:
    """Run the recipe.

    Args:
        recipe: Its folder.
        options: Its options.
        check: Whether it has to succeed.
        warm: Whether its commands are forked from a Python that has imported ESPnet,
            instead of being started as users start them: an import is most of what a
            command takes here.
    """
    environment = {
        **os.environ,
        "VENV": sys.prefix,
        "ESPNET_PLUGIN_ROOT": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }
    if warm:
        environment["WARM_PYTHON"] = warm_server()
        options = ("--python", f"{sys.executable} -S {WARM}", *options)
    result = subprocess.run(
        ["./run.sh", *options],
        cwd=recipe,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert not check or result.returncode == 0, result.stderr[-4000:]
    return result


def table(path: Path) -> dict[str, str]:
    lines = path.read_text().splitlines()
    return {line.split()[0]: " ".join(line.split()[1:]) for line in lines}
