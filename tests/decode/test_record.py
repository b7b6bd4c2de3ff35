"""The note of what a decoded set was made of."""

import errno
import os
import tempfile

import pytest

from espnet_plugin.decode.record import note_decoded, why_decode
from espnet_plugin.errors import UserError


def test_a_set_whose_note_did_not_fit_on_the_disk_is_decoded_again(
    tmp_path, monkeypatch
):
    """Else it would count as one of an earlier version, which noted nothing."""
    model, table = tmp_path / "model.pth", tmp_path / "wav.scp"
    model.touch()
    table.write_text("a a.wav\n")
    folder = tmp_path / "decoded"
    folder.mkdir()
    for name in ("token", "token_int", "score", "text"):
        (folder / name).write_text("a A\n")
    inputs, rest = {"checkpoint": "1"}, (["a"], model, table)

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk:
        disk.setattr(tempfile, "mkstemp", full)
        with pytest.raises(UserError, match="No space left"):
            note_decoded(folder, inputs)
    assert why_decode(folder, inputs, *rest) == "not decoded yet"
    (folder / "text").write_text("a A\n")
    note_decoded(folder, inputs)
    assert why_decode(folder, inputs, *rest) is None
    assert "checkpoint" in why_decode(folder, {"checkpoint": "2"}, *rest)
