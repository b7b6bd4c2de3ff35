"""Outputs of ESPnet's own model, with which the exported one is compared."""

from typing import Sequence

import numpy as np
import torch

from espnet_plugin.decode.best_path import best_path
from espnet_plugin.decode.posteriors import log_posteriors, masks_padding
from espnet_plugin.export.facts import ModelFacts
from espnet_plugin.export.source import Source

__all__ = ["best_tokens", "stock_alone", "stock_batch", "stock_exactly"]


def stock_alone(source: Source, stock_input: torch.Tensor) -> np.ndarray:
    """Return ESPnet's log-probabilities ``(frames, vocabulary)`` of one utterance.

    Args:
        source: The model.
        stock_input: Samples ``(samples,)`` or features ``(frames, dim)``.
    """
    log_probs, lengths = log_posteriors(source.model, [stock_input])
    return log_probs[0, : int(lengths[0])].numpy()


@torch.inference_mode()
def stock_batch(
    source: Source, stock_inputs: Sequence[torch.Tensor]
) -> list[np.ndarray]:
    """Return ESPnet's log-probabilities of utterances in one batch.

    They are computed as if each were alone, if the encoder allows it. The old relative
    positions
    (``legacy_rel_pos``) depend on the padded length, so for these the batch is encoded
    by ESPnet as a batch.
    """
    if masks_padding(source.model):
        return [stock_alone(source, item) for item in stock_inputs]
    model = source.model
    feats = []
    for item in stock_inputs:
        one, sizes = item[None], torch.tensor([len(item)])
        one, sizes = model._extract_feats(one, sizes)
        if model.normalize is not None:
            one, sizes = model.normalize(one, sizes)
        feats.append(one[0])
    sizes = torch.tensor([len(item) for item in feats])
    batch = torch.nn.utils.rnn.pad_sequence(feats, batch_first=True)
    uses_ctc = getattr(model.encoder, "interctc_use_conditioning", False)
    options = {"ctc": model.ctc} if uses_ctc else {}
    encoded, sizes, _ = model.encoder(batch, sizes, **options)
    if isinstance(encoded, tuple):
        encoded = encoded[0]
    log_probs = model.ctc.log_softmax(encoded)
    return [row[:count].numpy() for row, count in zip(log_probs, sizes.tolist())]


def stock_exactly(source: Source, stock_input: torch.Tensor) -> np.ndarray:
    """Return the same as :func:`stock_alone`, computed in double precision."""
    kind = torch.get_default_dtype()
    source.model.double()
    # Windows and positions are made in the default type.
    torch.set_default_dtype(torch.float64)
    try:
        return stock_alone(source, stock_input.double())
    finally:
        torch.set_default_dtype(kind)
        source.model.float()


def best_tokens(log_probs: np.ndarray, facts: ModelFacts) -> list[int]:
    """Return the tokens of the best path of ``(frames, vocabulary)``."""
    found = best_path(
        torch.from_numpy(np.ascontiguousarray(log_probs))[None],
        torch.tensor([len(log_probs)]),
        facts.blank,
        facts.drop,
    )
    return found[0][0]
