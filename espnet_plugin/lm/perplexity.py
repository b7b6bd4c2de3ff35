"""Perplexity of a language model on a text."""

import math
from typing import Sequence

import torch
from espnet2.lm.espnet_model import ESPnetLanguageModel

from espnet_plugin.lm.record import SetFigures
from espnet_plugin.lm.text import Sentence, batches

__all__ = ["text_figures"]


@torch.no_grad()
def text_figures(
    model: ESPnetLanguageModel, text: Sequence[Sentence], size: int = 16
) -> SetFigures:
    """Return perplexity and the log likelihood of each sentence.

    The perplexity is defined as in ``espnet2.bin.lm_calc_perplexity``: exp of the mean
    negative log likelihood per token, including an end token for each sentence.

    Args:
        model: The model; left in evaluation mode.
        text: The sentences, at least one.
        size: Number of sentences in a batch.
    """
    model.eval()
    figures: dict[str, tuple[float, int]] = {}
    for batch in batches(text, size):
        nll, lengths = model.nll(batch.tokens, batch.lengths)
        sums = nll.double().sum(dim=1)
        for name, value, length in zip(batch.names, sums.tolist(), lengths.tolist()):
            figures[name] = value, length
    nll = [figures[one.name][0] for one in text]
    tokens = [figures[one.name][1] for one in text]
    return SetFigures(
        math.exp(sum(nll) / sum(tokens)), [one.name for one in text], nll, tokens
    )
