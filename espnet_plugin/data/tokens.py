"""Token lists: characters or SentencePiece BPE, in ESPnet's form."""

import io
from collections import Counter
from pathlib import Path
from typing import Iterable, Optional, Union

import sentencepiece
from espnet2.text.build_tokenizer import build_tokenizer

from espnet_plugin.errors import UserError
from espnet_plugin.files import write_bytes, write_lines

__all__ = ["BLANK", "SOS_EOS", "UNKNOWN", "build_token_list", "read_token_list"]

BLANK, UNKNOWN, SOS_EOS = "<blank>", "<unk>", "<sos/eos>"


def read_token_list(path: Union[str, Path]) -> list[str]:
    """Read one token a line; blank must come first, as CTC in ESPnet takes token 0."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path} is missing: run stage 2, which makes the token list")
    tokens = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    if tokens[0] != BLANK or len(set(tokens)) != len(tokens):
        raise UserError(
            f"{path}: the first token must be {BLANK} and none may stand twice"
        )
    return tokens


def build_token_list(
    texts: Iterable[str], folder: Union[str, Path], nbpe: Optional[int] = None
) -> Path:
    """Write ``tokens.txt`` (and ``bpe.model``) from the training transcripts.

    Args:
        texts: Training transcripts only; other sets must not be seen.
        folder: Where the files go.
        nbpe: Size of the BPE vocabulary; None for characters.

    Returns:
        The token list's path.

    Raises:
        UserError: If the vocabulary size does not fit the text.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    texts = list(texts)
    if nbpe is None:
        counts: Counter = Counter()
        tokenizer = build_tokenizer("char")
        for text in texts:
            counts.update(tokenizer.text2tokens(text))
        # Frequent first, as ESPnet's tokenize_text writes it; ties by the character.
        pieces = [t for t, _ in sorted(counts.items(), key=lambda c: (-c[1], c[0]))]
    else:
        pieces = _train_bpe(texts, folder, nbpe)
    path = folder / "tokens.txt"
    write_lines(path, [BLANK, UNKNOWN, *pieces, SOS_EOS])
    return path


def _train_bpe(texts: list[str], folder: Path, nbpe: int) -> list[str]:
    written = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=written,
            vocab_size=nbpe,
            model_type="bpe",
            character_coverage=1.0,
            minloglevel=1,
        )
    except RuntimeError as error:
        raise UserError(
            f"--nbpe {nbpe} does not fit the transcripts: {error}"
        ) from error
    write_bytes(folder / "bpe.model", written.getvalue())
    model = sentencepiece.SentencePieceProcessor(model_file=str(folder / "bpe.model"))
    pieces = [model.id_to_piece(i) for i in range(model.get_piece_size())]
    # SentencePiece's own <unk>, <s>, </s>; ESPnet adds its own three.
    return pieces[3:]
