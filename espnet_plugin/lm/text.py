"""Text as token indices in batches, for language models."""

import argparse
import logging
from pathlib import Path
from typing import Iterator, Mapping, NamedTuple, Sequence, Union

import torch

from espnet_plugin.errors import UserError
from espnet_plugin.files import read_pairs

__all__ = [
    "Batch",
    "Sentence",
    "batches",
    "read_sentences",
    "read_text",
    "warn_of_unnamed",
]


class Sentence(NamedTuple):
    """A line of text.

    Attributes:
        name: Id of the utterance.
        tokens: Token indices, ``(length,)``, without start and end.
    """

    name: str
    tokens: torch.Tensor


class Batch(NamedTuple):
    """A padded batch of sentences.

    Attributes:
        names: Ids of the utterances.
        tokens: Token indices, ``(batch, length)``, padded with 0.
        lengths: Numbers of tokens, ``(batch,)``.
    """

    names: Sequence[str]
    tokens: torch.Tensor
    lengths: torch.Tensor


def read_text(path: Union[str, Path]) -> dict[str, str]:
    """Read a Kaldi ``text`` file without the utterances that have no words.

    Raises:
        UserError: If the file is missing, or no utterance has a word.
    """
    table = {name: text for name, text in read_pairs(path).items() if text}
    if not table:
        raise UserError(
            f"{path} contains no text: give a Kaldi text file, with one line per "
            "utterance: its name, then its words"
        )
    return table


def warn_of_unnamed(path: Union[str, Path], text: Mapping[str, str]) -> None:
    """Log a warning if lines seem to begin with a word instead of an utterance's name.

    Names are not words: where most of them also occur among the words of the text, the
    file has plain sentences, whose first words would not be learnt.

    Args:
        path: Path of the file.
        text: Its content, see :func:`read_text`.
    """
    words = {word for line in text.values() for word in line.split()}
    found = [name for name in text if name in words]
    if 2 * len(found) > len(text):
        logging.warning(
            "%s: the first word of a line is taken as the name of its utterance and is "
            "not learnt, but in %d of %d lines (e.g. %r) it also is a word of the "
            "text: if the lines have no names, write one before each",
            *(path, len(found), len(text), found[0]),
        )


def read_sentences(path: Union[str, Path], args: argparse.Namespace) -> list[Sentence]:
    """Read a Kaldi ``text`` file with ESPnet's preprocessor, in the file's order.

    Args:
        path: Path of the file.
        args: Configuration of a language model, with its tokens.

    Raises:
        UserError: See :func:`read_text`.
    """
    from espnet2.tasks.lm import LMTask

    preprocess = LMTask.build_preprocess_fn(args, False)
    return [
        Sentence(name, torch.as_tensor(preprocess(name, {"text": text})["text"]).long())
        for name, text in read_text(path).items()
    ]


def batches(sentences: Sequence[Sentence], size: int = 16) -> Iterator[Batch]:
    """Yield batches of sentences of similar length, the shortest first."""
    ordered = sorted(sentences, key=lambda one: len(one.tokens))
    for start in range(0, len(ordered), size):
        part = ordered[start : start + size]
        yield Batch(
            [one.name for one in part],
            torch.nn.utils.rnn.pad_sequence(
                [one.tokens for one in part], batch_first=True
            ),
            torch.tensor([len(one.tokens) for one in part]),
        )
