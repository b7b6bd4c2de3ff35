"""Product quantisation with straight-through gradients.

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

# Share of the updates after which the lowest temperature is reached by default. In the
# paper, a factor of 0.999995 goes from 2 to 0.5 in 277,000 of 400,000 updates.
_COOL = 0.7
_DECAY = 0.999995


class Quantised(NamedTuple):
    """Quantised frames.

    Attributes:
        vectors: The chosen entries, concatenated and projected, ``(..., output_size)``.
        choices: Index of the chosen entry in each codebook, ``(..., codebooks)``.
        probabilities: Softmax of the logits over the entries, without noise and
            temperature, ``(..., codebooks, entries)``.
    """

    vectors: torch.Tensor
    choices: torch.Tensor
    probabilities: torch.Tensor


class GumbelQuantiser(nn.Module):
    """Choose one entry of each codebook and concatenate them.

    In the forward pass the choice is hard: the entry with the largest logit (with
    Gumbel noise in training). The gradient is that of the softmax of the same logits at
    ``temperature``.

    - [0] wav2vec 2.0, 2020, https://arxiv.org/abs/2006.11477, section 2, Eq. 1
    - [1] vq-wav2vec, 2020, https://arxiv.org/abs/1910.05453: the product of codebooks.

    Each dimension is standardised by its mean and variance over the batch (in
    evaluation: over past batches). The paper normalises each frame separately, which
    suits its convolutions over samples. But the randomly initialised subsampling of
    log-mel features adds a similar vector to every frame. On LibriSpeech, training
    started with 4 and 13 of 64 entries in use if frames were normalised separately, and
    with 43 and 46 if dimensions were standardised.

    Args:
        input_size: Width of the frames.
        output_size: Width of the quantised vectors.
        codebooks: Number of codebooks; each frame has one entry of each.
        entries: Number of entries in each codebook.
        code_size: Width of the concatenated entries, a multiple of ``codebooks``.

    Attributes:
        temperature: Temperature of the softmax in the gradient, set by the objective.

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
        # The initialisation of the authors' code. With logits of this scale, entries
        # are chosen by random directions, so even the first targets distinguish sounds.
        nn.init.normal_(self.logits.weight)
        nn.init.zeros_(self.logits.bias)
        nn.init.uniform_(self.codes)

    def forward(self, frames: torch.Tensor) -> Quantised:
        """Quantise frames.

        Args:
            frames: ``(..., input_size)``, without padding: the statistics of the batch
                normalisation are over all of them.

        Returns:
            One result for each frame; see :class:`Quantised` for the shapes.
        """
        flat = self.norm(frames.flatten(0, -2)).view(frames.shape)
        logits = self.logits(flat).float()
        logits = logits.unflatten(-1, (self.codebooks, self.entries))
        noisy = logits + _gumbel_noise(logits) if self.training else logits
        choices = noisy.argmax(-1)
        chosen = nn.functional.one_hot(choices, self.entries).to(logits.dtype)
        if self.training:
            soft = (noisy / self.temperature).softmax(-1)
            # In this order the difference is exactly zero, so the choice stays exactly
            # one-hot.
            chosen = chosen + (soft - soft.detach())
        codes = torch.einsum("...gv,gvd->...gd", chosen, self.codes.to(chosen.dtype))
        vectors = self.project(codes.flatten(-2).to(frames.dtype))
        return Quantised(vectors, choices, logits.softmax(-1))


def _gumbel_noise(like: torch.Tensor) -> torch.Tensor:
    smallest = torch.finfo(like.dtype).tiny
    exponential = torch.empty_like(like).exponential_().clamp(min=smallest)
    return -exponential.log()


def perplexity(average: torch.Tensor) -> torch.Tensor:
    """Return the effective number of entries in use for each codebook, from 1 on.

    Args:
        average: Mean probabilities of the entries, ``(codebooks, entries)``.
    """
    smallest = torch.finfo(average.dtype).tiny
    return torch.exp(-(average * average.clamp(min=smallest).log()).sum(-1))


def diversity_loss(average: torch.Tensor) -> torch.Tensor:
    """Return the share of the entries that are not used.

    It is 0 if all are used equally, and ``1 - 1/entries`` if the same one is always
    used. This is [0], Eq. 4, as in the authors' code: ``(GV - sum_g exp(H_g)) / GV``.

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
    """Return the temperature before an update: a falling exponential, then constant.

    - [0] wav2vec 2.0, 2020, https://arxiv.org/abs/2006.11477, section 4.2

    Args:
        update: Number of updates made so far.
        updates: Number of updates of the whole training, if known.
        start: Temperature at the first update.
        end: Lowest temperature.
        decay: Factor from one update to the next. If None, the lowest temperature is
            reached after 0.7 of ``updates``, about as in [0]; if that is not known, the
            factor is 0.999995 as in [0].

    Raises:
        UserError: If a temperature is not positive, or the decay not in (0, 1].
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
