"""In-place distillation: the full-context pass teaches the streaming one."""

import math

import torch
import torch.nn.functional as F

from espnet_plugin.tensors.frames import frame_mask

__all__ = ["divergence_by_frame", "lattice_divergence"]


def divergence_by_frame(
    streaming: torch.Tensor,
    full: torch.Tensor,
    lengths: torch.Tensor,
    delay_frames: int = 0,
    temperature: float = 1.0,
) -> torch.Tensor:
    """Return the divergence of streaming CTC posteriors from those of full context.

    This is the Kullback-Leibler divergence, summed over the frames of an utterance and
    averaged over the batch like ESPnet's CTC loss, so that the two are comparable in
    size. No gradient reaches the full-context pass.

    - [0] Dual-mode ASR, 2021, https://arxiv.org/abs/2010.06030, section 3.3.

    Args:
        streaming: Log-posteriors ``(batch, frames, vocabulary)``.
        full: Log-posteriors of the full-context pass, of the same shape.
        lengths: Valid frames ``(batch,)``.
        delay_frames: Frames that the streaming pass may emit later: its frame
            ``t + delay_frames`` is compared with frame ``t``.
        temperature: Temperature of both distributions; the result is multiplied by its
            square.

    Returns:
        A scalar, in nats per utterance.
    """
    if delay_frames:
        streaming, full = streaming[:, delay_frames:], full[:, :-delay_frames]
        lengths = (lengths - delay_frames).clamp(min=0)
    mask = frame_mask(lengths, streaming.shape[1])[..., None]
    # Masked before the distance, because NaN in padding would make gradients NaN.
    ours = streaming.masked_fill(~mask, 0.0)
    theirs = full.detach().masked_fill(~mask, 0.0)
    ours = F.log_softmax(ours / temperature, -1)
    theirs = F.log_softmax(theirs / temperature, -1)
    each = F.kl_div(ours, theirs, reduction="none", log_target=True)
    each = each.masked_fill(~mask, 0.0)
    return each.sum() * temperature**2 / len(lengths)


def lattice_divergence(
    streaming: torch.Tensor,
    full: torch.Tensor,
    targets: torch.Tensor,
    lengths: torch.Tensor,
    target_lengths: torch.Tensor,
    blank: int = 0,
    delay_frames: int = 0,
    temperature: float = 1.0,
) -> torch.Tensor:
    """Return the divergence of a streaming transducer from the full-context one.

    It is computed over the lattice. At every node the vocabulary is reduced to three
    events: blank, the correct token, and all other tokens.

    - [0] Efficient Knowledge Distillation for RNN-T Models, 2021,
      https://arxiv.org/abs/2011.06110, Eq. 3 to 5.

    Args:
        streaming: Outputs of the joint network, ``(batch, frames, tokens + 1,
            vocabulary)``, before the softmax.
        full: Outputs of the full-context pass, of the same shape.
        targets: ``(batch, tokens)``; padding may be any token.
        lengths: Number of valid frames, ``(batch,)``.
        target_lengths: Number of valid tokens, ``(batch,)``.
        blank: Index of the blank token.
        delay_frames: See :func:`divergence_by_frame`.
        temperature: Temperature of both distributions; the result is multiplied by its
            square.

    Returns:
        A scalar, in nats per utterance.
    """
    if delay_frames:
        streaming, full = streaming[:, delay_frames:], full[:, :-delay_frames]
        lengths = (lengths - delay_frames).clamp(min=0)
    frames = frame_mask(lengths, streaming.shape[1])
    nodes = frame_mask(target_lengths + 1, streaming.shape[2])
    mask = frames[:, :, None] & nodes[:, None]
    ours, theirs = (
        _collapsed(logits / temperature, targets, target_lengths, blank)
        for logits in (streaming, full.detach())
    )
    each = (theirs.exp() * (theirs - ours)).sum(-1)
    return each.masked_fill(~mask, 0.0).sum() * temperature**2 / len(lengths)


def _collapsed(
    logits: torch.Tensor,
    targets: torch.Tensor,
    target_lengths: torch.Tensor,
    blank: int,
) -> torch.Tensor:
    """Return log-probabilities of blank, of the correct token, and of all others."""
    log_probs = F.log_softmax(logits, -1)
    is_blank = log_probs[..., blank]
    # After the last token there is no correct one.
    index = F.pad(targets, (0, 1)).clamp(min=0)
    index = index[:, None, :, None].expand(*logits.shape[:3], 1)
    right = log_probs.gather(-1, index)[..., 0]
    over = (
        torch.arange(logits.shape[2], device=logits.device) >= target_lengths[:, None]
    )
    tiny = torch.finfo(logits.dtype).tiny
    right = right.masked_fill(over[:, None], math.log(tiny))
    rest = (1.0 - is_blank.exp() - right.exp()).clamp(min=tiny).log()
    return torch.stack([is_blank, right, rest], -1)
