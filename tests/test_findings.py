"""The scripts in findings/: listed, pinned, and alone. Running them needs a network."""

import re
import subprocess
from pathlib import Path

import pytest

FINDINGS = Path(__file__).parents[1] / "findings"
SCRIPTS = sorted(FINDINGS.glob("*.sh"))


def test_each_has_one_row_of_the_table():
    rows = re.findall(r"^\| `(\w+\.sh)` \|", (FINDINGS / "README.md").read_text(), re.M)
    assert sorted(rows) == [script.name for script in SCRIPTS] and rows


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_it_pins_what_it_installs_and_takes_it_from_the_configured_place(script):
    text = script.read_text()
    installs = re.findall(r"pip install (.*)", text.replace("\\\n", " "))
    words = [word for line in installs for word in line.split()]
    packages = [word for word in words if not word.startswith("-")]
    assert packages or "dpkg" in text
    assert all(re.fullmatch(r"[\w-]+==[\w.]+", word) for word in packages)
    assert "://" not in text and "espnet_plugin" not in text
    assert "CHANGED" in text and 'rm -rf "${folder}"' in text
    subprocess.run(["bash", "-n", str(script)], check=True)
    assert script.stat().st_mode & 0o100
