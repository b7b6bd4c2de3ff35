"""Token lists: characters or SentencePiece BPE, in ESPnet's form."""

import io
import re
from collections import Counter
from pathlib import Path
from typing import Collection, Iterable, Optional, Union

import sentencepiece
from espnet2.text.build_tokenizer import build_tokenizer

from espnet_plugin.errors import UserError
from espnet_plugin.files import check_no_stand_in, write_bytes, write_lines
from espnet_plugin.text import clean_text

__all__ = [
    "BLANK",
    "SOS_EOS",
    "UNKNOWN",
    "build_token_list",
    "check_bpe_model",
    "read_symbols",
    "read_token_list",
    "unknown_pieces",
]

BLANK, UNKNOWN, SOS_EOS = "<blank>", "<unk>", "<sos/eos>"
# ESPnet's token for a space between characters.
_SPACE = "<space>"


def read_symbols(path: Union[str, Path]) -> tuple[str, ...]:
    """Read non-linguistic symbols, one per line, as in ESPnet's ``--nlsyms_txt``.

    Raises:
        UserError: If the file cannot be read, or names a token that cannot be a
            symbol of transcripts.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise UserError(
            f"--nlsyms {path} cannot be read ({error.strerror or error}): give a file "
            "with one symbol per line"
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(f"--nlsyms {path} is not UTF-8 text: {error}") from error
    symbols = tuple(dict.fromkeys(line.strip() for line in lines if line.strip()))
    for symbol in symbols:
        if symbol in (BLANK, SOS_EOS, _SPACE):
            raise UserError(
                f"--nlsyms {path}: {symbol} is a token of the recogniser itself, "
                "which must not be in transcripts: remove it from the file"
            )
        if symbol != clean_text(symbol) or " " in symbol:
            raise UserError(
                f"--nlsyms {path}: {symbol!r} contains white space or invisible "
                "characters: remove them"
            )
    return symbols


def read_token_list(path: Union[str, Path]) -> list[str]:
    """Read one token per line; blank must be first, as ESPnet's CTC uses token 0."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path} is missing: run stage 2, which makes the token list")
    try:
        tokens = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text: {error}: copy it again") from error
    numbers = {token: number for number, token in enumerate(tokens, 1)}
    if tokens[0] != BLANK or len(numbers) != len(tokens):
        twice = [one for line, one in enumerate(tokens, 1) if numbers[one] != line]
        example = f" ({twice[0]!r} is)" if twice else f" (it is {tokens[0]!r})"
        raise UserError(
            f"{path}: the first token must be {BLANK} and no token may be listed twice"
            f"{example}"
        )
    if len(tokens) < 2 or "" in tokens:
        what = f"line {numbers['']} is empty" if "" in tokens else f"only {BLANK}"
        raise UserError(f"{path}: {what}: give the tokens.txt of an ESPnet recipe")
    return tokens


def check_bpe_model(path: Union[str, Path]) -> None:
    """Check that a SentencePiece model can be read.

    Raises:
        UserError: If it is missing, a pointer or web page, or damaged.
    """
    check_no_stand_in(path, "BPE model")
    try:
        sentencepiece.SentencePieceProcessor(model_file=str(path))
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"BPE model {path} cannot be read ({str(error).splitlines()[0]}): give the "
            "bpe.model with which the model was trained"
        ) from error


def build_token_list(
    texts: Iterable[str],
    folder: Union[str, Path],
    nbpe: Optional[int] = None,
    symbols: Collection[str] = (),
) -> Path:
    """Write ``tokens.txt`` (and ``bpe.model``) from the training transcripts.

    Args:
        texts: Transcripts of the training set only, not of other sets.
        folder: Folder in which the files are written.
        nbpe: Size of the BPE vocabulary; None for characters.
        symbols: Non-linguistic symbols, which are tokens of their own where the texts
            have them (BPE: in any case), as in ESPnet's recipes.

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
        tokenizer = build_tokenizer("char", non_linguistic_symbols=sorted(symbols))
        for text in texts:
            counts.update(tokenizer.text2tokens(text))
        # Frequent first, as ESPnet's tokenize_text writes it; ties by the character.
        pieces = [t for t, _ in sorted(counts.items(), key=lambda c: (-c[1], c[0]))]
    else:
        pieces = _train_bpe(texts, folder, nbpe, sorted({*symbols} - {UNKNOWN}))
    # If <unk> is a symbol of the transcripts, it is the token that exists already.
    pieces = [piece for piece in pieces if piece != UNKNOWN]
    path = folder / "tokens.txt"
    write_lines(path, [BLANK, UNKNOWN, *pieces, SOS_EOS])
    return path


def _train_bpe(
    texts: list[str], folder: Path, nbpe: int, symbols: list[str]
) -> list[str]:
    written = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=written,
            vocab_size=nbpe,
            model_type="bpe",
            character_coverage=1.0,
            # SentencePiece 0.2.3 otherwise makes two words of a Persian word with a
            # zero-width non-joiner, and two characters of the Thai and Lao vowel AM
            # (findings/sentencepiece_joiners.sh): errors of every recogniser.
            normalization_rule_name="identity",
            minloglevel=1,
            **({"user_defined_symbols": symbols} if symbols else {}),
        )
    except RuntimeError as error:
        raise UserError(
            f"--nbpe {nbpe} does not fit the transcripts: {_why_no_model(str(error))}"
        ) from error
    write_bytes(folder / "bpe.model", written.getvalue())
    model = sentencepiece.SentencePieceProcessor(model_file=str(folder / "bpe.model"))
    pieces = [model.id_to_piece(i) for i in range(model.get_piece_size())]
    # SentencePiece's own <unk>, <s>, </s>; ESPnet adds its own three.
    return pieces[3:]


def _why_no_model(said: str) -> str:
    """Put SentencePiece's message, which names options of its own, in other words."""
    few = re.search(r"required_chars\. \d+ vs (\d+)", said)
    if few:
        return f"their characters alone need {few[1]}, so give at least {few[1]}"
    many = re.search(r"value <= (\d+)", said)
    if many:
        return f"they are too short for so many units, so give at most {many[1]}"
    return said


def unknown_pieces(
    tokens: Collection[str], bpemodel: Union[str, Path], texts: Iterable[str]
) -> list[str]:
    """Return the pieces that a BPE model uses for texts but the token list lacks.

    Args:
        tokens: The token list.
        bpemodel: SentencePiece model file.
        texts: Transcripts; they are only read if the model has pieces that the list
            lacks.

    Raises:
        UserError: If the model cannot be read.
    """
    try:
        model = sentencepiece.SentencePieceProcessor(model_file=str(bpemodel))
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"the BPE model {bpemodel} cannot be read ({error}): run stage 2 again, or "
            "bring the file back"
        ) from error
    known = set(tokens)
    if {model.id_to_piece(i) for i in range(3, model.get_piece_size())} <= known:
        return []
    found: set[str] = set()
    for text in texts:
        found.update(model.encode_as_pieces(text))
    return sorted(found - known)
