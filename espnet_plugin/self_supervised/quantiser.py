"""Product quantisation with a choice that gradients pass through.

Plain torch.
"""

from typing import NamedTuple, Optional

import torch
from torch import nn

from espnet_plugin.errors import UserError

__all__ = [
    "GumbelQuantiser",
    "Quantised",
    "diversity_loss",
    "gumbel_temperature",
    "perplexity",
]

# Share of the updates after which the lowest temperature is reached where no decay is
# given: the reference's 0.999995 goes from 2 to 0.5 in 277 of 400 thousand updates.
_COOL = 0.7
_DECAY = 0.999995


class Quantised(NamedTuple):
    """What became of frames.

    Attributes:
        vectors: ``(..., output_size)``: the chosen entries, joined and projected.
        choices: ``(..., codebooks)``: the number of the entry in each codebook.
        probabilities: ``(..., codebooks, entries)``: softmax of the logits, without
            noise and temperature; they add up to 1 over the entries.
    """

    vectors: torch.Tensor
    choices: torch.Tensor
    probabilities: torch.Tensor


class GumbelQuantiser(nn.Module):
    """Choose one entry of each codebook and join them.

    Forward, the choice is hard: one-hot, of the largest logit (in training, with
    Gumbel noise). Backward, it is the softmax of the same logits at ``temperature``.

    - [0] wav2vec 2.0, 2020, https://arxiv.org/abs/2006.11477, section 2, Eq. 1
    - [1] vq-wav2vec, 2020, https://arxiv.org/abs/1910.05453: the product of codebooks.

    Frames are standardised by mean and variance of each of their dimensions over the
    batch (in evaluation: over batches past). The paper normalises each frame by itself,
    which suits its convolutions over samples. A fresh sub-sampling of log-mels adds to
    every frame much the same vector: on LibriSpeech, frames normalised by themselves
    began with 4 and 13 entries of 64 in use, standardised ones with 43 and 46.

    Args:
        input_size: Width of the frames.
        output_size: Width of the quantised vectors.
        codebooks: Number of codebooks; each frame has one entry of each.
        entries: Number of entries in each codebook.
        code_size: Width of the joined entries; a multiple of ``codebooks``.

    Attributes:
        temperature: Temperature of the softmax that gradients take; set from outside.

    Raises:
        UserError: If a size is out of range.
    """

    def __init__(
        self,
        input_size: int,
        output_size: int,
        codebooks: int = 2,
        entries: int = 64,
        code_size: int = 64,
    ):
        super().__init__()
        if codebooks < 1:
            raise UserError(f"codebooks {codebooks}: must be at least 1")
        if entries < 2:
            raise UserError(
                f"entries {entries}: must be at least 2, because otherwise there is "
                "no choice"
            )
        if code_size < codebooks or code_size % codebooks:
            raise UserError(
                f"code_size {code_size}: must be a multiple of codebooks {codebooks}"
            )
        self.codebooks, self.entries = codebooks, entries
        self.temperature = 1.0
        self.norm = nn.BatchNorm1d(input_size, affine=False)
        self.logits = nn.Linear(input_size, codebooks * entries)
        self.codes = nn.Parameter(
            torch.empty(codebooks, entries, code_size // codebooks)
        )
        self.project = nn.Linear(code_size, output_size)
        # As the reference starts. Logits as wide as these choose by random directions,
        # so even the first targets tell sounds apart.
        nn.init.normal_(self.logits.weight)
        nn.init.zeros_(self.logits.bias)
        nn.init.uniform_(self.codes)

    def forward(self, frames: torch.Tensor) -> Quantised:
        """Quantise.

        Args:
            frames: ``(..., input_size)``, without padding.
        """
        flat = self.norm(frames.flatten(0, -2)).view(frames.shape)
        logits = self.logits(flat).float()
        logits = logits.unflatten(-1, (self.codebooks, self.entries))
        noisy = logits + _gumbel_noise(logits) if self.training else logits
        choices = noisy.argmax(-1)
        chosen = nn.functional.one_hot(choices, self.entries).to(logits.dtype)
        if self.training:
            soft = (noisy / self.temperature).softmax(-1)
            # In this order: the difference is exactly zero, the choice exactly one-hot.
            chosen = chosen + (soft - soft.detach())
        codes = torch.einsum("...gv,gvd->...gd", chosen, self.codes.to(chosen.dtype))
        vectors = self.project(codes.flatten(-2).to(frames.dtype))
        return Quantised(vectors, choices, logits.softmax(-1))


def _gumbel_noise(like: torch.Tensor) -> torch.Tensor:
    smallest = torch.finfo(like.dtype).tiny
    exponential = torch.empty_like(like).exponential_().clamp(min=smallest)
    return -exponential.log()


def perplexity(average: torch.Tensor) -> torch.Tensor:
    """Return how many entries are in use, by codebook: 1 to all of them.

    Args:
        average: ``(codebooks, entries)``, adding up to 1 over the entries.
    """
    smallest = torch.finfo(average.dtype).tiny
    return torch.exp(-(average * average.clamp(min=smallest).log()).sum(-1))


def diversity_loss(average: torch.Tensor) -> torch.Tensor:
    """Return the share of the entries that are not used.

    0 if all are used alike, ``1 - 1/entries`` if one is always used. The entropy of
    [0], Eq. 4, in the form of its authors' code: ``(GV - sum_g exp(H_g)) / GV``.

    - [0] wav2vec 2.0, 2020, https://arxiv.org/abs/2006.11477, section 3.2

    Args:
        average: ``(codebooks, entries)``: the mean of :attr:`Quantised.probabilities`
            over all valid frames of the batch.
    """
    return 1.0 - perplexity(average).sum() / average.numel()


def gumbel_temperature(
    update: int,
    updates: Optional[int] = None,
    start: float = 2.0,
    end: float = 0.5,
    decay: Optional[float] = None,
) -> float:
    """Return the temperature before an update: falling by a factor, then constant.

    - [0] wav2vec 2.0, 2020, https://arxiv.org/abs/2006.11477, section 4.2

    Args:
        update: Updates made so far.
        updates: Updates of the whole training, if known.
        start: Temperature at the first update.
        end: Lowest temperature.
        decay: Factor from one update to the next. If None, such that the lowest is
            reached after 0.7 of ``updates``, about where [0] reaches it; 0.999995, its
            factor, if those are not known.

    Raises:
        UserError: If a temperature is not positive, or the decay no factor below 1.
    """
    if not 0.0 < end <= start < float("inf"):
        raise UserError(
            f"Gumbel temperature from {start} to {end}: both must be above 0, and the "
            "second not higher than the first"
        )
    if decay is not None and not 0.0 < decay <= 1.0:
        raise UserError(f"gumbel_decay {decay}: must be above 0 and at most 1")
    if decay is None and updates is not None:
        return start * (end / start) ** min(update / (_COOL * max(updates, 1)), 1.0)
    return max(start * (_DECAY if decay is None else decay) ** update, end)
