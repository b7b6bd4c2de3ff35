"""Recipe folders whose run.sh only notes how it was called, to test table.sh with."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def make_recipe(folder: Path, name: str, script: str) -> Path:
    """Link a recipe's table.sh and stages beside a run.sh that only notes."""
    for file in ("table.sh", script):
        (folder / file).symlink_to((ROOT / "egs2/an4" / name / file).resolve())
    (folder / "path.sh").write_text("export PATH=$PWD/bin:$PATH\n")
    (folder / "bin").mkdir()
    # As parse_options.sh does: an empty word where an option is due is none.
    pairs = "for ((i = 1; i <= $#; i += 2)); do [[ ${!i} == -* ]] || exit 2; done\n"
    for path, extra in (
        (folder / "run.sh", pairs + '[[ " $* " != *"${FAIL:-nothing}"* ]]'),
        (folder / "bin/python3", ""),
    ):
        path.write_text(
            "#!/usr/bin/env bash\n"
            # One write: jobs side by side must not share a line.
            'printf -v call \'%s\\037\' "$(basename "$0")" "$OMP_NUM_THREADS" "$@"\n'
            "printf '%s\\n' \"$call\" >> calls\n"
            f"{extra}\n"
        )
        path.chmod(0o755)
    return folder


def table(recipe: Path, *options, **env):
    """Run table.sh; return its result and the calls, as lists of words."""
    result = subprocess.run(
        ["./table.sh", *options],
        cwd=recipe,
        env={**os.environ, "OMP_NUM_THREADS": "1", **env},
        capture_output=True,
        text=True,
    )
    calls = [
        line.split("\x1f")[:-1] for line in (recipe / "calls").read_text().splitlines()
    ]
    return result, calls


def options_of(call: list) -> dict:
    """Return the options of a call."""
    return dict(zip(call[2::2], call[3::2]))
