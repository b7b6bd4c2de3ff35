"""The note of what a decoded set was made of."""

import errno
import os
import tempfile

import pytest

from espnet_plugin.decode.record import forget_decoded, note_decoded, why_decode
from espnet_plugin.errors import UserError


def model_and_table(folder):
    model, table = folder / "model.pth", folder / "wav.scp"
    model.touch()
    table.write_text("a a.wav\n")
    return ["a"], model, table


def write_texts(folder):
    folder.mkdir(exist_ok=True)
    for name in ("token", "token_int", "score", "text"):
        (folder / name).write_text("a A\n")


def test_a_set_whose_note_did_not_fit_on_the_disk_is_decoded_again(
    tmp_path, monkeypatch
):
    """Else it would count as one of an earlier version, which noted nothing."""
    folder = tmp_path / "decoded"
    inputs, rest = {"checkpoint": "1"}, model_and_table(tmp_path)
    write_texts(folder)

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk:
        disk.setattr(tempfile, "mkstemp", full)
        with pytest.raises(UserError, match="No space left"):
            note_decoded(folder, inputs)
    assert why_decode(folder, inputs, *rest) == "this has not been done yet"
    (folder / "text").write_text("a A\n")
    note_decoded(folder, inputs)
    assert why_decode(folder, inputs, *rest) is None
    assert "checkpoint" in why_decode(folder, {"checkpoint": "2"}, *rest)


def test_a_set_is_decoded_again_after_a_kill_before_its_note(tmp_path):
    """Else it would count as one of an earlier version, which noted nothing."""
    folder, rest = tmp_path / "decoded", model_and_table(tmp_path)
    inputs = {"checkpoint": "1"}
    for _ in range(2):  # the first time, and where an older result was there
        forget_decoded(folder)
        assert why_decode(folder, inputs, *rest) == "this has not been done yet"
        write_texts(folder)
        assert "interrupted" in why_decode(folder, inputs, *rest)
        note_decoded(folder, inputs)
        assert why_decode(folder, inputs, *rest) is None


@pytest.mark.parametrize("name", ["token", "token_int", "score", "decoded.json"])
def test_a_set_is_decoded_again_where_a_file_of_it_is_empty(tmp_path, name):
    folder, rest = tmp_path / "decoded", model_and_table(tmp_path)
    write_texts(folder)
    note_decoded(folder, {"checkpoint": "1"})
    assert why_decode(folder, {"checkpoint": "1"}, *rest) is None
    (folder / name).write_bytes(b"")  # as a power cut leaves it
    assert why_decode(folder, {"checkpoint": "1"}, *rest) is not None
