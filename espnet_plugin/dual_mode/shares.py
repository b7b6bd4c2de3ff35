"""Shares of heads, units and channels to mask, and models of equal size by them."""

from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from typing import Iterator

from espnet_plugin.dual_mode.encoder import DualModeConformerEncoder
from espnet_plugin.dual_mode.masks import SelfPruner
from espnet_plugin.errors import UserError

__all__ = ["MaskedShares", "equal_sizes", "masked", "removed_parameters"]

# Shares of the channels that are tried, beside the one that all kinds have.
_CHANNELS = (0.0, 0.125, 0.25, 0.5)
# With a share closer to 1 than this, hardly anything of a module is left.
_MOST = 0.95


@dataclass(frozen=True)
class MaskedShares:
    """The share of each kind of groups that is masked, from 0 to below 1.

    Attributes:
        heads: Share of the attention heads in each layer.
        units: Share of the units of the feed-forward modules.
        channels: Share of the channels of the convolution modules.
    """

    heads: float = 0.0
    units: float = 0.0
    channels: float = 0.0

    @classmethod
    def of_all(cls, share: float) -> "MaskedShares":
        """Return the same share for every kind."""
        return cls(share, share, share)

    @property
    def sparsity(self) -> dict[str, float]:
        """The kinds with a share above 0, as ``pruning.sparsity`` has them."""
        names = (field.name for field in fields(self))
        return {name: share for name, share in zip(names, astuple(self)) if share}


@contextmanager
def masked(
    encoder: DualModeConformerEncoder,
    shares: MaskedShares,
    criterion: str = "mean_abs",
    seed: int = 0,
) -> Iterator[DualModeConformerEncoder]:
    """Mask groups of a dense encoder inside the context, in its streaming mode.

    Args:
        encoder: The encoder, which has no masks of its own.
        shares: What is masked.
        criterion: Score of a group, as in :class:`SelfPruner`; not ``taylor``.
        seed: Seed of the criterion ``random``.

    Raises:
        UserError: If the encoder has masks, or a share or the criterion is impossible.
    """
    encoder.pruner = _pruner(encoder, shares, criterion, seed)
    try:
        yield encoder
    finally:
        encoder.pruner = None


def removed_parameters(
    encoder: DualModeConformerEncoder, shares: MaskedShares
) -> tuple[int, int]:
    """Return the numbers of masked and of maskable parameters.

    Raises:
        UserError: See :func:`masked`.
    """
    everything = _pruner(encoder, MaskedShares.of_all(0.5)).masked_weights()[1]
    pruner = _pruner(encoder, shares)
    return (pruner.masked_weights()[0] if pruner else 0), everything


def equal_sizes(
    encoder: DualModeConformerEncoder, sparsity: float
) -> list[MaskedShares]:
    """Return shares with about as many masked parameters as a share of every kind.

    All shares of heads that differ in a layer and a few of the channels are combined;
    the share of the units follows. Combinations that would need nearly all units, or
    more than all, are left out.

    Args:
        encoder: The encoder, which has no masks of its own.
        sparsity: The share of every kind, above 0 and below 1.

    Raises:
        UserError: If the sparsity is out of range, or the encoder has masks.
    """
    if not 0.0 < sparsity < 1.0:
        raise UserError(f"sparsity {sparsity}: must be above 0 and below 1")
    wanted, _ = removed_parameters(encoder, MaskedShares.of_all(sparsity))
    units = _total(encoder, "units")
    count = min(layer.self_attn.num_heads for layer in encoder.encoders)
    found = [MaskedShares.of_all(sparsity)]
    for channels in sorted({*_CHANNELS, sparsity}):
        for head in range(count):
            others = MaskedShares(heads=head / count, channels=channels)
            share = (wanted - removed_parameters(encoder, others)[0]) / units
            shares = MaskedShares(others.heads, round(share, 3), channels)
            if 0.0 < shares.units <= _MOST and shares not in found:
                found.append(shares)
    return found


def _total(encoder: DualModeConformerEncoder, kind: str) -> int:
    """Return the number of maskable parameters of one kind."""
    return _pruner(encoder, MaskedShares(**{kind: 0.5})).masked_weights()[1]


def _pruner(
    encoder: DualModeConformerEncoder,
    shares: MaskedShares,
    criterion: str = "mean_abs",
    seed: int = 0,
):
    """Return final masks for the shares; None if nothing is masked."""
    if encoder.pruner is not None:
        raise UserError(
            "the model already has masks (encoder_conf.pruning), so its streaming mode "
            "was not trained with all weights: give one that was trained without, e.g. "
            "the row streaming_alone or dense_dense"
        )
    sparsity = shares.sparsity
    if not sparsity:
        return None
    pruner = SelfPruner(
        encoder, tuple(sparsity), sparsity, criterion, fixed=True, seed=seed
    )
    pruner.set_sparsity(1.0)
    return pruner
