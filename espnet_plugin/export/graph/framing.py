"""Padding and framing of audio of any length, down to one sample."""

from typing import Optional

import torch

__all__ = ["frames_of", "lengthen", "mirror_ends"]


def lengthen(
    x: torch.Tensor, lengths: torch.Tensor, least: int, most: Optional[int] = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Append zeros to utterances that are shorter than ``least``.

    Args:
        x: ``(batch, time)`` or ``(batch, time, dim)``; padding values do not matter.
        lengths: ``(batch,)``.
        least: Smallest length that the network accepts.
        most: Length to return; that of the longest utterance if not given.

    Returns:
        ``x`` up to the longest utterance, and the lengths, none below ``least``.
    """
    head = _head(x, lengths, least)
    lengths = lengths.clamp(min=least)
    most = lengths.max() if most is None else most
    return torch.cat([head, x[:, least:most]], dim=1), lengths


def _head(x: torch.Tensor, lengths: torch.Tensor, least: int) -> torch.Tensor:
    """Return the first ``least`` of ``x``, zeros after the end of an utterance."""
    valid = torch.arange(least, device=x.device)[None] < lengths[:, None]
    valid = valid.view(valid.shape + (1,) * (x.dim() - 2))
    zeros = torch.zeros_like(x[:, :1]).expand(-1, least, *x.shape[2:])
    return torch.cat([x[:, :least], zeros], dim=1)[:, :least].where(valid, zeros)


def mirror_ends(
    x: torch.Tensor,
    lengths: torch.Tensor,
    left: int,
    right: int,
    skip: int,
    least: int,
    multiple: int = 1,
    fixed: bool = False,
) -> torch.Tensor:
    """Pad each utterance by mirroring it at both of its ends.

    Args:
        x: ``(batch, samples)``; values after the end of an utterance do not matter.
        lengths: ``(batch,)``.
        left: Samples to put before; if negative, samples to leave out there.
        right: Samples to put after.
        skip: 1 to leave out the sample at the end itself (numpy's ``reflect``), 0 to
            repeat it (``symmetric``).
        least: Shorter utterances are first followed by zeros, up to so many samples;
            at least ``skip`` more than are mirrored.
        multiple: Append zeros up to a multiple of this.
        fixed: Whether no size may depend on the values of ``lengths``.

    Returns:
        ``(batch, left + samples + right + 1)``, or the next multiple.
    """
    # The audio is copied once. Then zeros after short utterances and the mirrored
    # samples at the end of each utterance are written into the copy.
    short = x.new_zeros(x.size(0), least)[:, x.size(1) :]
    count = left + x.size(1) + short.size(1) + right + 1
    room = x.new_zeros(x.size(0), right + 1 + -count % multiple)
    before = _head(x, lengths, max(0, left) + skip)[:, skip:].flip(1)
    if left < 0:
        # Audio may be shorter than what is left out.
        x, short = torch.cat([x, short], dim=1)[:, -left:], short[:, :0]
    whole = torch.cat([before, x, short, room], dim=1)
    own, ends = left + lengths[:, None], left + lengths.clamp(min=least)[:, None]
    missing = least if fixed else (least - lengths.min()).clamp(min=0)
    steps = torch.arange(missing, device=x.device)
    zeros = own + steps
    if left < 0:
        zeros = zeros.clamp(min=0)
    # If nothing has to be written, the index is the last position, which is not used.
    unused = whole.size(1) - 1
    if fixed:  # As large as the others: onnx2tf 2.6 writes it wrongly as one number.
        unused = torch.full_like(zeros, unused)
    places = [zeros.where(zeros < ends, unused)]
    values = [torch.zeros_like(places[0], dtype=x.dtype)]
    if right:
        steps = torch.arange(right, device=x.device)
        sources = ends - 1 - skip - steps
        mirrored = torch.gather(whole, 1, sources)
        places.append(ends + steps)
        values.append(mirrored.masked_fill(sources >= own, 0.0))
    return whole.scatter(1, torch.cat(places, dim=1), torch.cat(values, dim=1))


def frames_of(x: torch.Tensor, size: int, hop: int) -> torch.Tensor:
    """Cut ``(batch, samples)`` into ``(batch, frames, size)``, one frame per ``hop``.

    By whole hops, because ``unfold`` cannot be exported for any length.
    """
    count = (x.size(1) - size) // hop + 1
    whole, rest = divmod(size, hop)
    room = torch.zeros_like(x[:, :hop])
    blocks = torch.cat([x, room], dim=1)[:, : (count + whole) * hop]
    blocks = blocks.reshape(x.size(0), -1, hop)
    parts = [blocks[:, start : start + count] for start in range(whole)]
    if rest:
        parts.append(blocks[:, whole : whole + count, :rest])
    return torch.cat(parts, dim=-1)
