"""BEST-RQ's objective for any encoder, with one or several passes.

Plain torch. Its inputs are encodings, and normalised feature frames that are stacked to
the frame rate of the encodings.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple, Optional

import torch
import torch.nn.functional as F
from torch import nn

from espnet_plugin.errors import UserError
from espnet_plugin.self_supervised.contrastive import Slots, masked_slots
from espnet_plugin.self_supervised.quantiser import perplexity
from espnet_plugin.self_supervised.random_projection import (
    RandomProjectionQuantiser,
    check_codebooks,
)

__all__ = ["BestRQObjective", "BestRQOptions", "CodeTargets", "Prediction", "add_noise"]


@dataclass(frozen=True)
class BestRQOptions:
    """Options of BEST-RQ.

    Attributes:
        codebooks: Number of codebooks; the loss is the mean over them.
        entries: Number of codes in each codebook.
        code_size: Width of a code.
        noise: Standard deviation of the noise that replaces masked frames.
        seed: Seed of projections and codes.

    Raises:
        UserError: If a number is out of range; the message begins with its name.
    """

    codebooks: int = 1
    entries: int = 8192
    code_size: int = 16
    noise: float = 0.1
    seed: int = 0

    def __post_init__(self):
        check_codebooks(self.codebooks, self.entries, self.code_size, self.seed)
        if not 0.0 <= self.noise < math.inf:
            raise UserError(f"noise {self.noise}: must be 0 or more, e.g. 0.1")


def add_noise(
    features: torch.Tensor,
    mask: torch.Tensor,
    std: float,
    generator: Optional[torch.Generator] = None,
) -> torch.Tensor:
    """Replace masked frames by normal noise with zero mean.

    Args:
        features: ``(batch, frames, features)``.
        mask: ``(batch, frames)``, True where masked.
        std: Standard deviation of the noise.
        generator: Random numbers, on the CPU; torch's own if None.

    Returns:
        A new tensor of the same shape.
    """
    noise = std * torch.randn(features.shape, generator=generator)
    return torch.where(mask[..., None], noise.to(features), features)


@dataclass(frozen=True)
class CodeTargets:
    """The targets of a step, which are the same for every pass.

    Attributes:
        slots: The masked frames.
        usable: ``(batch, slots)``, True for masked frames, False for padding.
        codes: Indices of the codes, ``(batch, slots, codebooks)``.
        stats: ``chance`` (the accuracy of always predicting the most frequent code of
            the batch) and ``perplexity`` of the codes of all frames.
    """

    slots: Slots
    usable: torch.Tensor
    codes: torch.Tensor
    stats: dict[str, torch.Tensor]


class Prediction(NamedTuple):
    """The predictions of one pass.

    Attributes:
        loss: A scalar.
        accuracy: A scalar without gradient.
        logits: ``(batch, slots, codebooks, entries)``.
    """

    loss: torch.Tensor
    accuracy: torch.Tensor
    logits: torch.Tensor


class BestRQObjective(nn.Module):
    """Cross-entropy of the codes of masked frames, which come from a frozen quantiser.

    - [0] BEST-RQ, 2022, https://arxiv.org/abs/2202.01855, section 3

    Args:
        encoder_size: Width of the encodings.
        input_size: Width of the stacked feature frames.
        options: Codebooks, noise and seed.

    Raises:
        UserError: If a width is below 1.
    """

    def __init__(
        self,
        encoder_size: int,
        input_size: int,
        options: BestRQOptions = BestRQOptions(),
    ):
        super().__init__()
        codebooks, entries = options.codebooks, options.entries
        self.noise = options.noise
        self.quantiser = RandomProjectionQuantiser(
            input_size, codebooks, entries, options.code_size, options.seed
        )
        self.predict = nn.Linear(encoder_size, codebooks * entries)

    def targets(
        self, features: torch.Tensor, valid: torch.Tensor, mask: torch.Tensor
    ) -> CodeTargets:
        """Quantise the frames to targets.

        Args:
            features: Features without masks, ``(batch, frames, input_size)``.
            valid: ``(batch, frames)``, False on padding.
            mask: ``(batch, frames)``, True where the encoder has to predict.

        Raises:
            UserError: If the frames do not have the width ``input_size``, or none is
            masked.
        """
        if features.shape[2] != self.quantiser.input_size:
            raise UserError(
                f"the stacked frames have {features.shape[2]} values, and the "
                f"projection was made for {self.quantiser.input_size}: use the front "
                "end that the model was built with"
            )
        slots = masked_slots(mask & valid)
        if not slots.present.any():
            raise UserError(
                f"utterances of {valid.sum(1).tolist()} encoder frames: no frame is "
                "masked; remove utterances that are shorter than a span, or use a "
                "smaller span_frames"
            )
        codes = self.quantiser(features)
        chosen, entries = slots.take(codes), self.quantiser.entries
        of_masked = _shares(chosen[slots.present], entries)
        return CodeTargets(
            slots=slots,
            usable=slots.present,
            codes=chosen,
            stats={
                "chance": of_masked.amax(-1).mean(),
                "perplexity": perplexity(_shares(codes[valid], entries)).mean(),
            },
        )

    def compare(self, encodings: torch.Tensor, targets: CodeTargets) -> Prediction:
        """Compute the cross-entropy of one pass, the mean over the masked frames.

        Args:
            encodings: ``(batch, frames, encoder_size)``.
            targets: What :meth:`targets` returned.
        """
        logits = self.predict(targets.slots.take(encodings)).float()
        logits = logits.unflatten(-1, (targets.codes.shape[2], -1))
        usable = targets.usable
        loss = F.cross_entropy(
            logits[usable].flatten(0, 1), targets.codes[usable].flatten()
        )
        found = logits.detach().argmax(-1) == targets.codes
        return Prediction(loss, found[usable].float().mean(), logits)

    def distil(
        self, dense: Prediction, sparse: Prediction, targets: CodeTargets
    ) -> torch.Tensor:
        """Return KL(dense || sparse) over the codes, mean over frames and codebooks.

        No gradient flows to the dense pass, which is an in-place teacher [1].

        - [1] Dual-mode ASR, 2021, https://arxiv.org/abs/2010.06030, section 3.2
        """
        teacher = dense.logits.detach().log_softmax(-1)
        student = sparse.logits.log_softmax(-1)
        divergence = F.kl_div(student, teacher, reduction="none", log_target=True)
        return divergence.sum(-1)[targets.usable].mean()


def _shares(codes: torch.Tensor, entries: int) -> torch.Tensor:
    """Return the relative frequency of each code, ``(codebooks, entries)``.

    Args:
        codes: ``(number, codebooks)``.
        entries: Number of codes in each codebook.
    """
    counts = [column.bincount(minlength=entries) for column in codes.T]
    return torch.stack(counts).float() / len(codes)
