"""Harmless lines of ESPnet are held back or explained, and nothing else is."""

import logging
import subprocess
import sys
import warnings

import pytest

from espnet_plugin.harmless import (
    HARMLESS_WARNINGS,
    add_log_filter,
    ignore_missing_figures,
    without_command_line,
)

IMPORT = "from espnet2.legacy.nets.pytorch_backend.transformer import attention as a"


def errors_of(code, path):
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "", "PYTHONPATH": ":".join([str(path), *sys.path])},
    )
    assert done.stdout == "True\n"  # the module works
    return done.stderr


@pytest.mark.parametrize("content", [None, "raise ImportError('wrong CUDA')"])
def test_only_a_package_that_is_not_installed_is_not_mentioned(tmp_path, content):
    if content is not None:
        (tmp_path / "flash_attn.py").write_text(content)
    check = f"{IMPORT}; print(a.MultiHeadedAttention(1, 4, 0.0).h == 1)"
    stock = errors_of(check, tmp_path)
    assert stock.startswith("Failed to import Flash Attention")
    ours = errors_of(f"import espnet_plugin.bin; {check}", tmp_path)
    assert ours == ("" if content is None else stock)


def test_a_harmless_warning_is_explained_and_others_stay(caplog):
    before = [list(one.filters) for one in logging.getLogger().handlers]
    add_log_filter()
    try:
        (harmless,) = HARMLESS_WARNINGS
        logging.warning(harmless)
        logging.warning("loss is nan")
        logging.error(harmless)
        first, second, third = caplog.records
        assert first.levelname == "INFO" and "a CTC model" in first.getMessage()
        assert (second.levelname, second.getMessage()) == ("WARNING", "loss is nan")
        assert (third.levelname, third.getMessage()) == ("ERROR", harmless)
    finally:
        for one, filters in zip(logging.getLogger().handlers, before):
            one.filters = filters


def test_the_warning_is_espnets():
    from espnet2.asr import espnet_model

    with open(espnet_model.__file__, encoding="utf-8") as stream:
        source = stream.read()
    assert all(f'warning("{text}")' in source for text in HARMLESS_WARNINGS)


def test_only_the_first_command_line_is_left_out(capsys):
    with without_command_line("python train.py --lr 1"):
        print("before", file=sys.stderr)
        for _ in range(2):
            print("python train.py --lr 1", file=sys.stderr)
    assert capsys.readouterr().err == "before\npython train.py --lr 1\n"


def test_only_figures_without_a_value_are_not_mentioned():
    from espnet2.train.reporter import Reporter

    reporter = Reporter()
    reporter.set_epoch(1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ignore_missing_figures()
        with reporter.observe("valid") as observed:
            # as ESPnet's model does without a decoder
            observed.register({"loss_att": None}, weight=1)
            observed.next()
        warnings.warn("No valid stats found")  # not by ESPnet's reporter
    assert [str(one.message) for one in caught] == ["No valid stats found"]
    assert caught[0].filename == __file__
