"""Audio of any length, down to one sample, and frames out of it."""

import torch

__all__ = ["frames_of", "lengthen", "mirror_ends"]


def lengthen(
    x: torch.Tensor, lengths: torch.Tensor, least: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Append zeros to utterances that are shorter than ``least``.

    Args:
        x: ``(batch, time)`` or ``(batch, time, dim)``; what stands after an utterance
            is of no matter.
        lengths: ``(batch,)``.
        least: What the network needs.

    Returns:
        ``x`` up to the longest utterance, and the lengths, none below ``least``.
    """
    valid = torch.arange(least, device=x.device)[None] < lengths[:, None]
    valid = valid.view(valid.shape + (1,) * (x.dim() - 2))
    zeros = torch.zeros_like(x[:, :1]).expand(-1, least, *x.shape[2:])
    x = torch.cat([x, zeros], dim=1)
    head = x[:, :least].masked_fill(~valid, 0.0)
    lengths = lengths.clamp(min=least)
    return torch.cat([head, x[:, least:]], dim=1)[:, : lengths.max()], lengths


def mirror_ends(
    x: torch.Tensor, lengths: torch.Tensor, left: int, right: int, skip: int
) -> torch.Tensor:
    """Mirror each utterance at its own two ends.

    Args:
        x: ``(batch, samples)``.
        lengths: ``(batch,)``; each above ``left`` and ``right``.
        left: Samples to put before.
        right: Samples to put after.
        skip: 1 to leave out the sample at the end itself (numpy's ``reflect``), 0 to
            repeat it (``symmetric``).

    Returns:
        ``(batch, left + samples + right)``.
    """
    before = x[:, skip : left + skip].flip(1)
    steps = torch.arange(right, device=x.device)[None]
    mirrored = torch.gather(x, 1, lengths[:, None] - 1 - skip - steps)
    room = torch.zeros_like(mirrored)
    # Written over what follows a short utterance, because its last frames read there.
    return torch.cat([before, x, room], dim=1).scatter(
        1, lengths[:, None] + left + steps, mirrored
    )


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
