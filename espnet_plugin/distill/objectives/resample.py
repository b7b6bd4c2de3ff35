"""Outputs at another frame rate, for a student whose frames are not the teacher's."""

import torch

from espnet_plugin.distill.objectives.outputs import EncoderOutputs

__all__ = ["resample_outputs"]


def resample_outputs(
    outputs: EncoderOutputs, lengths: torch.Tensor, num_frames: int
) -> EncoderOutputs:
    """Bring posteriors to other frames of the same audio.

    New frame ``j`` of ``S`` covers the old ones from ``j T / S`` to ``(j + 1) T / S``,
    and gets the mean of their posteriors, each weighted by how much of it is covered.
    The mean over the whole utterance stays the same, and so does that of the encoding,
    which is therefore kept as it is, pooled.

    Args:
        outputs: The teacher's, ``T`` valid frames an utterance.
        lengths: Valid frames wanted, ``S``, ``(batch,)``.
        num_frames: Frames wanted with padding.

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
    # In whole numbers, 1 / (T S) of the utterance each, so that no frame is missed or
    # counted twice by rounding. An utterance without frames has none to be read.
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
        # Sums of logarithms: improbable tokens would be nothing in single precision.
        total = torch.logaddexp(total, frame + weight.log()[..., None])
    return total.masked_fill((frames >= new)[..., None], 0.0)
