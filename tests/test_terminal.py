"""While a training runs, the terminal has few lines and the log has them all."""

import io
import logging
from contextlib import contextmanager, redirect_stderr

from espnet_plugin import progress
from espnet_plugin.terminal import LOG_ONLY, filter_terminal, logged_in


@contextmanager
def terminal():
    """Log to a terminal, as commands do; yields a function that returns its lines."""
    written, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers, root.level
    root.handlers = [logging.StreamHandler(written)]
    root.setLevel(logging.INFO)
    with redirect_stderr(written):
        filter_terminal()
    try:
        yield lambda: written.getvalue().splitlines()
    finally:
        root.handlers = handlers
        root.setLevel(level)


def messages(file):
    """Return the messages of a log file, without time and level."""
    return [line.split(" ", 3)[3] for line in file.read_text().splitlines()]


def test_only_own_lines_warnings_and_errors_are_shown(tmp_path):
    file = tmp_path / "train.log"
    with terminal() as shown:
        with logged_in(file):
            logging.info("model of another package")  # as this file is one
            list(progress.progress([1], 1, "utterances"))
            logging.warning("loss is nan")
            logging.error("broken")
        logging.warning("after it")
        assert shown() == ["1 utterances in 0 s", "loss is nan", "broken", "after it"]
    assert messages(file) == ["model of another package", *shown()[:-1]]


def test_a_line_of_ours_may_be_for_the_log_only(tmp_path):
    file = tmp_path / "train.log"
    own = logging.LogRecord("root", logging.INFO, progress.__file__, 1, "own", (), None)
    hidden = logging.makeLogRecord({**own.__dict__, "msg": "hidden", **LOG_ONLY})
    with terminal() as shown, logged_in(file):
        for record in (own, hidden):
            logging.getLogger().handle(record)
    assert (shown(), messages(file)) == (["own"], ["own", "hidden"])


def test_a_log_is_continued(tmp_path):
    file = tmp_path / "train.log"
    for message in ("first", "second"):
        with terminal(), logged_in(file):
            logging.info(message)
    assert messages(file) == ["first", "second"]
