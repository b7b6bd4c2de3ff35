"""Turn the tokens of a model into words."""

import re
from dataclasses import dataclass, field
from typing import Any, Optional, Sequence

from espnet_plugin.errors import UserError
from espnet_plugin.recognise.scripts import divided
from espnet_plugin.text import is_unspaced_letter

__all__ = ["KINDS", "Vocabulary", "WrittenWord", "check_kind", "joined"]

KINDS = ("char", "bpe", "word", "phn")
_SPACE = "<space>"
_BEGIN = "\u2581"  # SentencePiece's mark of a space
_UNKNOWN, _UNKNOWN_TEXT = "<unk>", " \u2047 "  # as SentencePiece writes it
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
_Letter = tuple[str, int, int]  # and its first and last token
_NOT_TEXT = ("<blank>", "<sos/eos>", "<sos>", "<eos>")


@dataclass(frozen=True)
class WrittenWord:
    """A word and the tokens that it consists of.

    Attributes:
        text: The word, without spaces.
        first: Position of its first token in the sequence.
        last: Position of its last token in the sequence.
        letters: Position of the token of each letter.
        glued: Whether it follows the word before without a space.
    """

    text: str
    first: int
    last: int
    letters: tuple[int, ...] = field(default=(), compare=False, repr=False)
    glued: bool = False


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of a CTC layer and how they are joined into words.

    Attributes:
        tokens: Symbols of the CTC layer by index.
        kind: ``char`` (``<space>`` is the space), ``bpe`` (SentencePiece pieces),
            ``word`` or ``phn`` (each token is a word).
        blank: Index of the blank.
        pieces: Text of each token, with a space where a word ends or begins. It is
            empty for bytes of SentencePiece's byte fallback, the blank and similar
            tokens.
        silent: Indices of the tokens that are never part of a text.
    """

    tokens: tuple[str, ...]
    kind: str = "char"
    blank: int = 0
    pieces: tuple[str, ...] = field(init=False, repr=False)
    silent: frozenset[int] = field(init=False, repr=False)

    def __post_init__(self):
        check_kind(self.kind)
        if not 0 <= self.blank < len(self.tokens):
            raise UserError(
                f"blank {self.blank} is not one of the {len(self.tokens)} tokens"
            )
        silent = {i for i, token in enumerate(self.tokens) if token in _NOT_TEXT}
        silent.add(self.blank)
        object.__setattr__(self, "silent", frozenset(silent))
        pieces = tuple(
            "" if i in silent else self._piece(token)
            for i, token in enumerate(self.tokens)
        )
        object.__setattr__(self, "pieces", pieces)

    def _piece(self, token: str) -> str:
        if self.kind == "char":
            return " " if token == _SPACE else token
        if self.kind == "bpe":
            if token == _UNKNOWN:
                return _UNKNOWN_TEXT
            return "" if _BYTE.fullmatch(token) else token.replace(_BEGIN, " ")
        return f" {token}"

    def words(self, token_ids: Sequence[int]) -> list[WrittenWord]:
        """Join tokens into words.

        Each letter of a script without spaces is a word of its own, unless the text
        has a space between two of them; the letters of one token stay together.

        Returns:
            The words in order. Joined by ``joined``, they are the text of ESPnet's
            tokenizer, except for repeated spaces.
        """
        letters: list[_Letter] = []
        place = 0
        while place < len(token_ids):
            run = self._bytes_from(token_ids, place)
            if run:
                last = place + len(run) - 1
                letters += [(letter, place, last) for letter in _decode(run)]
                place = last + 1
                continue
            letters += [(c, place, place) for c in self.pieces[token_ids[place]]]
            place += 1
        words: list[list[_Letter]] = []
        inside = False
        for one in letters:
            if one[0].isspace():
                inside = False
            elif inside:
                words[-1].append(one)
            else:
                words.append([one])
                inside = True
        unspaced = _without_spaces(words)
        return [
            WrittenWord(
                "".join(letter for letter, _, _ in part),
                part[0][1],
                part[-1][2],
                tuple(first for _, first, _ in part),
                glued=number > 0,
            )
            for word in words
            for number, part in enumerate(_parts(word) if unspaced else [word])
        ]

    def text(self, token_ids: Sequence[int]) -> str:
        """Return the words, separated by one space where there are spaces."""
        return joined(self.words(token_ids))

    def byte(self, token: int) -> Optional[int]:
        """Return the byte of a token of the byte fallback; None for other tokens."""
        match = _BYTE.fullmatch(self.tokens[token]) if self.kind == "bpe" else None
        return None if match is None else int(match[1], 16)

    def _bytes_from(self, token_ids: Sequence[int], place: int) -> bytes:
        """Return the bytes of the byte-fallback tokens from a position on."""
        run = bytearray()
        for token in token_ids[place:]:
            value = self.byte(token)
            if value is None:
                break
            run.append(value)
        return bytes(run)


def joined(words: Sequence[Any]) -> str:
    """Return words with ``text`` and ``glued`` as one text."""
    gaps = ("" if word.glued or not n else " " for n, word in enumerate(words))
    return "".join(gap + word.text for gap, word in zip(gaps, words))


def _without_spaces(words: Sequence[Sequence[_Letter]]) -> bool:
    """Return whether no space is between two letters of a script without spaces."""
    return not any(
        is_unspaced_letter(before[-1][0]) and is_unspaced_letter(word[0][0])
        for before, word in zip(words, words[1:])
    )


def _parts(word: list[_Letter]) -> list[list[_Letter]]:
    """Divide a word of a text without spaces, but no token."""
    starts = [
        start
        for start in divided([letter for letter, _, _ in word])
        if not start or word[start][1] > word[start - 1][2]
    ]
    return [word[a:b] for a, b in zip(starts, [*starts[1:], len(word)])]


def check_kind(kind: str) -> None:
    """Check that tokens of a type can be joined into words.

    Raises:
        UserError: If ``kind`` is not one of ``KINDS``.
    """
    if kind not in KINDS:
        raise UserError(
            f"token_type {kind}: tokens of this type cannot be joined into words "
            f"here; use a model with {', '.join(KINDS)}"
        )


def _decode(run: bytes) -> str:
    """Decode UTF-8; as in SentencePiece, each invalid byte becomes U+FFFD."""
    text = run.decode("utf-8", "surrogateescape")
    return re.sub("[\udc80-\udcff]", "\ufffd", text)
