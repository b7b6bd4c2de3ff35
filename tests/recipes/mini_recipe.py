"""The mini_an4 recipe, copied and run."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def copy_recipe(folder: Path, kind: str = "encrl1") -> Path:
    """Make a recipe folder whose scripts are the repository's; results stay in it."""
    recipe = folder / "mini_an4" / kind
    recipe.mkdir(parents=True)
    stages = {"encrl1": "encrl.sh", "dualmode1": "dualmode.sh"}[kind]
    for name in ("run.sh", stages, "path.sh", "cmd.sh", "db.sh", "conf", "local"):
        (recipe / name).symlink_to((ROOT / "egs2/mini_an4" / kind / name).resolve())
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
