"""The mini_an4 recipe, copied and run."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "egs2/mini_an4/encrl1"


def copy_recipe(folder: Path) -> Path:
    """Make a recipe folder whose scripts are the repository's; results stay in it."""
    recipe = folder / "mini_an4/encrl1"
    recipe.mkdir(parents=True)
    for name in ("run.sh", "encrl.sh", "path.sh", "cmd.sh", "db.sh", "conf", "local"):
        (recipe / name).symlink_to((RECIPE / name).resolve())
    return recipe


def run(recipe: Path, *options: str, check: bool = True) -> subprocess.CompletedProcess:
    result = subprocess.run(
        ["./run.sh", *options],
        cwd=recipe,
        env={
            **os.environ,
            "VENV": sys.prefix,
            "ESPNET_PLUGIN_ROOT": str(ROOT),
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
    )
    assert not check or result.returncode == 0, result.stderr[-4000:]
    return result


def table(path: Path) -> dict[str, str]:
    lines = path.read_text().splitlines()
    return {line.split()[0]: " ".join(line.split()[1:]) for line in lines}
