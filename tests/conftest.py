"""What several test modules share."""

import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from tiny_asr import build_tiny_asr  # noqa: E402

# "nohup make test" ignores SIGHUP, and so would the commands that tests send it to.
signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(items):
    """Put the longest files first, as a file's tests stay in one process.

    One that came last would keep the other processes of pytest-xdist waiting.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


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
