"""The text of language models: whole, or not taken for whole."""

import pytest

from espnet_plugin.errors import UserError
from espnet_plugin.jobs import lm_text
from espnet_plugin.jobs.lm_text import LMText, Tokens, prepare_text

TOKENS = ["<blank>", "<unk>", "A", "B", "<space>", "<sos/eos>"]


def test_after_a_kill_texts_of_two_runs_are_not_taken(tmp_path, monkeypatch):
    (tmp_path / "tokens.txt").write_text("\n".join(TOKENS) + "\n")
    for name, words in {"train": "A B", "valid": "B A", "other": "B B A"}.items():
        (tmp_path / name).write_text(f"u1 {words}\n")
    folder = tmp_path / "lm_text"

    def prepare(valid):
        tokens = Tokens(tmp_path / "tokens.txt", "char", None, None)
        return prepare_text(folder, tokens, [tmp_path / "train"], tmp_path / valid, {})

    assert prepare("valid").config()["token_type"] == "char"
    write = lm_text.write_lines

    def killed(path, lines):
        write(path, lines)
        if path == folder / "valid/text":
            raise KeyboardInterrupt

    with monkeypatch.context() as moment:
        moment.setattr(lm_text, "write_lines", killed)
        with pytest.raises(KeyboardInterrupt):
            prepare("other")
    # Its lengths are still those of the text before.
    assert (folder / "valid/text").read_text() == "u1 B B A\n"
    assert (folder / "valid/text_shape").read_text() == "u1 3,6\n"
    with pytest.raises(UserError, match="run stage 3 first"):
        LMText(folder).config()
    assert prepare("other").config()["token_type"] == "char"
    assert (folder / "valid/text_shape").read_text() == "u1 5,6\n"
