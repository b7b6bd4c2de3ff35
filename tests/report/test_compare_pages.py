"""benchmarks/compare_pages.py on the committed pages of AN4."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "egs2/an4/encrl1"


def compare(*options):
    """Run the script in AN4's folder and return its status and what it printed."""
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks/compare_pages.py", *options],
        cwd=PAGES,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout, done.stderr


def test_a_model_of_two_pages_is_named_with_its_page():
    label = "scratch 20 epochs 6"
    status, _, said = compare(
        "results.json", "reference_28.json", "--pairs", label, "encrl 6"
    )
    assert status == 2
    assert f"results.json:{label} or reference_28.json:{label}" in said


def test_a_model_does_not_differ_from_itself():
    status, printed, said = compare(
        "reference_28.json", "--pairs", *["scratch 20 epochs 6"] * 2
    )
    assert (status, said) == (0, "")
    rows = json.loads((PAGES / "reference_28.json").read_text())["rows"]
    seeds = {
        row["seed"]
        for row in rows
        if (row["method"], row["variant"], row["size"]) == ("scratch", "20 epochs", 6)
    }
    count = f"{len(seeds)} seeds"
    assert len(seeds) > 1
    assert f"+0.0 [+0.0, +0.0] points ({count} and {count}, 773 words)" in printed


@pytest.mark.parametrize("page", ["results.json", "reference_28.json"])
def test_rates_are_those_of_the_page(page):
    label = f"{page}:scratch 20 epochs 6"
    _, printed, _ = compare(
        "results.json", "reference_28.json", "--pairs", label, label
    )
    rates = {"results.json": "6.1", "reference_28.json": "6.6"}
    assert f"test: {rates[page]} [" in printed
