"""wav2vec 2.0's objective for any encoder, with one or several passes.

Plain torch. Its inputs are local features and encodings with the same frame rate. In
this plugin the encoder's input is log-mel features, and the local features are the
outputs of the subsampling; in the paper they come from convolutions over the waveform.
"""

from dataclasses import dataclass
from typing import NamedTuple, Optional

import torch
import torch.nn.functional as F
from torch import nn

from espnet_plugin.errors import UserError
from espnet_plugin.self_supervised.contrastive import (
    Slots,
    candidate_logits,
    chance_accuracy,
    contrastive_accuracy,
    draw_distractors,
    info_nce,
    masked_slots,
)
from espnet_plugin.self_supervised.quantiser import (
    GumbelQuantiser,
    diversity_loss,
    gumbel_temperature,
    perplexity,
)

__all__ = ["Contrast", "Targets", "Wav2Vec2Objective"]


@dataclass(frozen=True)
class Targets:
    """The targets of a step, which are the same for every pass.

    Attributes:
        slots: The masked frames.
        usable: ``(batch, slots)``, True for masked frames with distractors.
        vectors: Quantised targets, ``(batch, slots, project_size)``.
        distractors: Slots of the distractors, ``(batch, slots, number)``.
        same: ``(batch, slots, number)``, True for distractors with the target's codes.
        diversity: The diversity loss; a scalar.
        stats: ``chance`` and ``perplexity``, without gradient.
    """

    slots: Slots
    usable: torch.Tensor
    vectors: torch.Tensor
    distractors: torch.Tensor
    same: torch.Tensor
    diversity: torch.Tensor
    stats: dict[str, torch.Tensor]


class Contrast(NamedTuple):
    """The predictions of one pass.

    Attributes:
        loss: A scalar.
        accuracy: A scalar without gradient.
        logits: ``(batch, slots, 1 + number)``, the true target first.
    """

    loss: torch.Tensor
    accuracy: torch.Tensor
    logits: torch.Tensor


class Wav2Vec2Objective(nn.Module):
    """Contrastive loss against quantised local features, and their diversity loss.

    - [0] wav2vec 2.0, 2020, https://arxiv.org/abs/2006.11477, section 3.2, Eq. 2 to 4

    Args:
        encoder_size: Width of the encodings.
        target_size: Width of the local features; ``encoder_size`` if None.
        project_size: Width of the space in which both are compared.
        codebooks: Number of the quantiser's codebooks.
        entries: Number of entries in each codebook.
        code_size: Width of the joined entries.
        distractors: Number of distractors for each masked frame.
        temperature: Temperature of the contrastive loss.
        diversity_weight: Weight of the diversity loss.
        drop_equal: Whether distractors with the target's codes are left out, as in the
            authors' code. Eq. 3 includes them.
        gumbel_start: Temperature of the quantiser's softmax at the first update.
        gumbel_end: Lowest temperature of the quantiser's softmax.
        gumbel_decay: Factor from one update to the next; see ``gumbel_temperature``.

    Raises:
        UserError: If a number is out of range.
    """

    def __init__(
        self,
        encoder_size: int,
        target_size: Optional[int] = None,
        project_size: int = 64,
        codebooks: int = 2,
        entries: int = 64,
        code_size: int = 64,
        distractors: int = 50,
        temperature: float = 0.1,
        diversity_weight: float = 0.1,
        drop_equal: bool = False,
        gumbel_start: float = 2.0,
        gumbel_end: float = 0.5,
        gumbel_decay: Optional[float] = None,
    ):
        super().__init__()
        if not 0.0 < temperature < float("inf"):
            raise UserError(f"temperature {temperature}: must be above 0, e.g. 0.1")
        if distractors < 1:
            raise UserError(f"distractors {distractors}: must be at least 1")
        if project_size < 1:
            raise UserError(f"project_size {project_size}: must be at least 1")
        if not 0.0 <= diversity_weight < float("inf"):
            raise UserError(f"diversity_weight {diversity_weight}: must be 0 or more")
        self.target_size = encoder_size if target_size is None else target_size
        self.quantiser = GumbelQuantiser(
            self.target_size, project_size, codebooks, entries, code_size
        )
        self.project = nn.Linear(encoder_size, project_size)
        self.num_distractors, self.temperature = distractors, temperature
        self.diversity_weight, self.drop_equal = diversity_weight, drop_equal
        self._gumbel = dict(start=gumbel_start, end=gumbel_end, decay=gumbel_decay)
        self.set_update(0)

    def set_update(self, update: int, updates: Optional[int] = None) -> None:
        """Set the quantiser's temperature.

        Args:
            update: Number of updates made so far.
            updates: Number of updates of the whole training, if known.
        """
        self.quantiser.temperature = gumbel_temperature(update, updates, **self._gumbel)

    def targets(
        self,
        features: torch.Tensor,
        valid: torch.Tensor,
        mask: torch.Tensor,
        generator: Optional[torch.Generator] = None,
    ) -> Targets:
        """Quantise the local features and draw distractors.

        Args:
            features: Local features without masks, ``(batch, frames, target_size)``.
            valid: ``(batch, frames)``, False on padding.
            mask: ``(batch, frames)``, True where the encoder has to predict.
            generator: Random numbers, on the CPU; torch's own if None.

        Raises:
            UserError: If the features do not have the width ``target_size``, or no
                utterance has two masked frames.
        """
        if features.shape[2] != self.target_size:
            raise UserError(
                f"target_size {self.target_size}: the local features have "
                f"{features.shape[2]} values per frame; use that number as target_size"
            )
        slots = masked_slots(mask & valid)
        usable = slots.usable
        if not usable.any():
            raise UserError(
                f"utterances of {valid.sum(1).tolist()} encoder frames: none has two "
                "masked frames, so there are no distractors; remove such short "
                "utterances, or use a smaller span_frames"
            )
        quantised = self.quantiser(features[valid])
        vectors = slots.take(_spread(quantised.vectors, valid))
        choices = slots.take(_spread(quantised.choices, valid))
        distractors = draw_distractors(
            slots.counts, usable.shape[1], self.num_distractors, generator
        )
        equal = (choices[:, :, None] == choices[:, None]).all(-1)
        with torch.no_grad():
            one_hot = F.one_hot(quantised.choices, self.quantiser.entries)
            used = perplexity(one_hot.float().mean(0))
        return Targets(
            slots=slots,
            usable=usable,
            vectors=vectors,
            distractors=distractors,
            same=equal.gather(2, distractors),
            diversity=diversity_loss(quantised.probabilities.mean(0)),
            stats={
                "chance": chance_accuracy(distractors, usable),
                "perplexity": used.mean(),
            },
        )

    def compare(self, encodings: torch.Tensor, targets: Targets) -> Contrast:
        """Compute the contrastive loss of one pass.

        Args:
            encodings: ``(batch, frames, encoder_size)``.
            targets: What :meth:`targets` returned.
        """
        contexts = self.project(targets.slots.take(encodings))
        logits = candidate_logits(
            contexts, targets.vectors, targets.distractors, self.temperature
        )
        accuracy = contrastive_accuracy(logits.detach(), targets.same, targets.usable)
        if self.drop_equal:
            # Not minus infinity, because distillation subtracts two of these values.
            lowest = torch.finfo(logits.dtype).min / 4
            dropped = F.pad(targets.same, (1, 0))
            logits = logits.masked_fill(dropped, lowest)
        return Contrast(info_nce(logits, targets.usable), accuracy, logits)

    def distil(
        self, dense: Contrast, sparse: Contrast, targets: Targets
    ) -> torch.Tensor:
        """Return KL(dense || sparse) over the candidates, mean over the frames.

        No gradient flows to the dense pass, which is an in-place teacher [1].

        - [1] Dual-mode ASR, 2021, https://arxiv.org/abs/2010.06030, section 3.2
        """
        teacher = dense.logits.detach().log_softmax(2)
        student = sparse.logits.log_softmax(2)
        divergence = F.kl_div(student, teacher, reduction="none", log_target=True)
        return divergence.sum(2)[targets.usable].mean()


def _spread(flat: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Put valid frames ``(number, dim)`` back in their positions; padding is zero."""
    out = flat.new_zeros(*valid.shape, flat.shape[1])
    return out.index_put((valid,), flat)
