"""Decoding in parts leaves the files of decoding at once."""

import os

import pytest

from espnet_plugin.decode import parts
from espnet_plugin.decode.best_path import FILES
from espnet_plugin.decode.parts import decode_in_parts
from espnet_plugin.decode.run import decode_model
from espnet_plugin.errors import UserError


def words(folder):
    return {name: (folder / name).read_text() for name in FILES if name != "score"}


def scores(folder):
    lines = (folder / "score").read_text().splitlines()
    return {key: float(value) for key, value in map(str.split, lines)}


@pytest.mark.slow
def test_two_processes_leave_what_one_does(tiny_asr_model, tmp_path):
    model = tiny_asr_model.config, tiny_asr_model.checkpoint
    data = [f"{tiny_asr_model.wav_scp},speech,sound"]
    decode_model(*model, [("one", data, tmp_path / "one")])
    sets = [("two", data, tmp_path / "two")]
    assert decode_in_parts(*model, sets, 2) == [tmp_path / "two"]
    assert words(tmp_path / "two") == words(tmp_path / "one")
    # To rounding: kernels sum in another order where memory is aligned otherwise.
    assert scores(tmp_path / "two") == pytest.approx(scores(tmp_path / "one"))
    assert not (tmp_path / "two/.parts").exists()
    # Again: no process is started.
    before = (tmp_path / "two/text").stat().st_mtime_ns
    decode_in_parts(*model, sets, 2)
    assert (tmp_path / "two/text").stat().st_mtime_ns == before


def test_each_set_is_named_once_before_it_is_decoded(tiny_asr_model, tmp_path, caplog):
    caplog.set_level("INFO")
    data = [f"{tiny_asr_model.wav_scp},speech,sound"]
    sets = [(name, data, tmp_path / name) for name in ("dev", "test")]
    decode_in_parts(tiny_asr_model.config, tiny_asr_model.checkpoint, sets, 1)
    said = [
        one.message.split()[0]
        for one in caplog.records
        if "will be decoded" in one.message
    ]
    assert said == ["dev", "test"]


def end_process(*_):
    os._exit(9)


def test_a_killed_process_is_named(tiny_asr_model, tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "_decode", end_process)
    data = [f"{tiny_asr_model.wav_scp},speech,sound"]
    stale = tmp_path / "two/.parts/1of3"
    stale.mkdir(parents=True)
    with pytest.raises(UserError, match="--nj below 2; finished parts are kept"):
        decode_in_parts(
            tiny_asr_model.config,
            tiny_asr_model.checkpoint,
            [("two", data, tmp_path / "two")],
            2,
        )
    assert not stale.exists() and (tmp_path / "two/.parts/1of2/keys").exists()
    with pytest.raises(UserError, match="--nj 0"):
        decode_in_parts(tiny_asr_model.config, tiny_asr_model.checkpoint, [], 0)
