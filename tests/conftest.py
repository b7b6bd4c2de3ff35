"""What several test modules share."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from tiny_asr import build_tiny_asr  # noqa: E402


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist looks for the marks
def pytest_collection_modifyitems(config, items):
    """Keep a file's tests in one process of pytest-xdist, the longest files first.

    Tests of a file share what took long to make, and those of the recipe share a run of
    it; a long file that comes last would keep one process busy while the others wait.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
    if config.pluginmanager.hasplugin("xdist"):
        together = {"test_mini_an4.py", "test_mini_baselines.py"}
        for item in items:
            group = "mini_an4" if item.path.name in together else str(item.path)
            item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def tiny_asr_model(tmp_path_factory):
    """A CTC-only Conformer of three blocks of width 16; read it, do not change it."""
    return build_tiny_asr(tmp_path_factory.mktemp("tiny_asr"))


@pytest.fixture(scope="session")
def tiny_hybrid_model(tmp_path_factory):
    """The same with an attention decoder and ``ctc_weight`` 0.3."""
    return build_tiny_asr(
        tmp_path_factory.mktemp("tiny_hybrid"), name="asr_hybrid", ctc_weight=0.3
    )
