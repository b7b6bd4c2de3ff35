"""Resample the teacher's outputs, for a student with a different frame rate."""

import torch

from espnet_plugin.distill.objectives.outputs import EncoderOutputs

__all__ = ["resample_outputs"]


def resample_outputs(
    outputs: EncoderOutputs, lengths: torch.Tensor, num_frames: int
) -> EncoderOutputs:
    """Resample posteriors to a different number of frames.

    New frame ``j`` of ``S`` covers the old frames from ``j T / S`` to ``(j + 1) T / S``
    and has the mean of their posteriors, weighted by the covered part of each frame.
    The mean over the utterance does not change, so the mean encoding is kept.

    Args:
        outputs: Outputs of the teacher, with ``T`` valid frames per utterance.
        lengths: Wanted numbers of valid frames ``S``, ``(batch,)``.
        num_frames: Wanted number of frames, padding included.

    Returns:
        Log-posteriors ``(batch, num_frames, vocabulary)``, zero on the padding, the
        pooled encoding, and ``lengths``.
    """
    with torch.no_grad():
        return EncoderOutputs(
            None,
            _resample(outputs.log_posteriors, outputs.lengths, lengths, num_frames),
            lengths,
            pooled=outputs.mean_encoding(),
        )


def _resample(values, old, new, num_frames):
    batch, _, vocabulary = values.shape
    frames = torch.arange(num_frames, device=values.device)[None]
    # In integers, in units of 1 / (T S) of the utterance, so that rounding neither
    # omits a frame nor counts it twice. The clamp is for utterances without frames.
    old, new = old[:, None].clamp(min=1), new[:, None]
    start, end = frames * old, (frames + 1) * old
    first = start // new.clamp(min=1)
    taps = int((old / new.clamp(min=1)).max().ceil()) + 1
    total = values.new_full((batch, num_frames, vocabulary), -torch.inf)
    for tap in range(taps):
        index = first + tap
        overlap = torch.minimum(end, (index + 1) * new) - torch.maximum(
            start, index * new
        )
        weight = overlap.clamp(min=0).to(values.dtype) / old.to(values.dtype)
        index = index.minimum(old - 1).clamp(max=values.size(1) - 1)
        frame = values.gather(1, index[..., None].expand(-1, -1, vocabulary))
        # Summed as logarithms, because improbable tokens would underflow.
        total = torch.logaddexp(total, frame + weight.log()[..., None])
    return total.masked_fill((frames >= new)[..., None], 0.0)
