"""BPE with byte fallback: the scripts join bytes as SentencePiece does."""

import numpy as np
import pytest
import sentencepiece
import torch
import yaml
from tiny_asr import build_tiny_asr

from espnet_plugin.bin.export import main
from espnet_plugin.export.scripts import RUNNERS, load_script
from espnet_plugin.files import read_json

TEXT = "a cat sat on the mat\nthat hat and the cat\nZ\u00fcrich\n"


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
    """A SentencePiece model, and some of its pieces: bytes, words and parts of them."""
    root = tmp_path_factory.mktemp("bpe")
    (root / "text").write_text(20 * TEXT)
    sentencepiece.SentencePieceTrainer.train(
        input=str(root / "text"),
        model_prefix=str(root / "bpe"),
        vocab_size=300,
        model_type="bpe",
        byte_fallback=True,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    path = str(root / "bpe.model")
    model = sentencepiece.SentencePieceProcessor(model_file=path)
    found = [model.id_to_piece(n) for n in range(3, model.get_piece_size())]
    words = [piece for piece in found if not piece.startswith("<")]
    letters = ("\u732b", "A", "\u00fc", "\u20ac")
    bytes_of = [f"<0x{v:02X}>" for v in sorted(set("".join(letters).encode()))]
    return model, path, [*bytes_of, *words[: 27 - len(bytes_of)]]


def test_text_of_bytes_is_that_of_sentencepiece(pieces):
    model, _, names = pieces
    parts = load_script(RUNNERS / "script_parts.py")
    rng = np.random.default_rng(0)
    seen = ""
    for _ in range(500):
        some = [str(n) for n in rng.choice(["<unk>", *names], rng.integers(0, 12))]
        # Bytes come in runs, so that letters are whole at times.
        some += [f"<0x{value:02X}>" for value in "\u732bA\u20ac".encode()][: len(some)]
        assert parts.text_of(some, "bpe") == model.decode_pieces(some)
        seen += parts.text_of(some, "bpe")
    assert "\u732bA\u20ac" in seen and "\ufffd" in seen and "<0x" not in seen


def test_an_export_of_such_a_model(pieces, tmp_path):
    _, path, names = pieces
    tiny = build_tiny_asr(tmp_path)
    config = yaml.safe_load(tiny.config.read_text())
    tokens = ["<blank>", "<unk>", *names, "<sos/eos>"]
    config.update(token_type="bpe", bpemodel=path, token_list=tokens)
    tiny.config.write_text(yaml.safe_dump(config, allow_unicode=True))
    state = torch.load(tiny.checkpoint, weights_only=True)
    generator = torch.Generator().manual_seed(3)
    weight = state["ctc.ctc_lo.weight"]
    weight.copy_(3 * torch.randn(weight.shape, generator=generator))
    torch.save(state, tiny.checkpoint)
    assert len(tokens) == len(weight)
    assert main([str(tiny.dir), "--dev", str(tiny.data_dir)]) == 0
    meta = read_json(tiny.dir / "export/onnx/meta.json")
    assert meta["verified"]["runner"][0]["same_texts"] == 6
