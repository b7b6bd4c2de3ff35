"""ESPnet's CTC encoders in the form in which they are exported.

Conformers are rebuilt. For other encoders, ESPnet's own forward is traced with some
parts replaced.
"""

import copy
from typing import Optional

import torch
from torch import nn

try:
    from espnet2.legacy.nets.pytorch_backend.transformer.subsampling import (
        check_short_utt,
    )
except ImportError:  # before ESPnet 202609
    from espnet.nets.pytorch_backend.transformer.subsampling import check_short_utt

from espnet_plugin.dual_mode.subsampling import Subsampling
from espnet_plugin.export.graph.conformer import LeanConformer, is_lean
from espnet_plugin.export.graph.known_lengths import (
    KnownLengths,
    has_known_lengths,
)
from espnet_plugin.export.graph.layers import lean_layer
from espnet_plugin.export.graph.positions import computed_positions

__all__ = ["STRIDES", "CtcEncoder", "encoder_stride", "least_frames"]

# Feature frames per frame of the encoder.
STRIDES = {
    "Conv2dSubsampling1": 1,
    "Conv2dSubsampling2": 2,
    "Conv2dSubsampling": 4,
    "Conv2dSubsampling6": 6,
    "Conv2dSubsampling8": 8,
}


def encoder_stride(encoder: nn.Module) -> int:
    """Return the number of feature frames per encoder frame.

    Raises:
        KeyError: If the class of the subsampling is not in :data:`STRIDES`.
    """
    if isinstance(encoder.embed, Subsampling):
        return encoder.embed.stride
    return STRIDES[type(encoder.embed).__name__]


def least_frames(encoder: nn.Module) -> int:
    """Return the smallest number of feature frames that the subsampling accepts."""
    if isinstance(encoder.embed, Subsampling):
        return encoder.embed.span
    frames = 1
    while check_short_utt(encoder.embed, frames)[0]:
        frames += 1
    return frames


class CtcEncoder(nn.Module):
    """Normalised features to log-probabilities.

    Args:
        model: An ESPnet ASR model in evaluation mode; it is copied.
    """

    def __init__(self, model: nn.Module):
        super().__init__()
        for module in model.modules():
            # Stored by the last forward; with gradients it could not be copied.
            if torch.is_tensor(getattr(module, "attn", None)):
                module.attn = None
        encoder = model.encoder
        self.ctc = copy.deepcopy(model.ctc).eval()
        conditioned = bool(getattr(encoder, "interctc_use_conditioning", False))
        self.lean = is_lean(encoder)
        self.options = {"ctc": self.ctc} if conditioned and not self.lean else {}
        self.encoder: nn.Module
        if self.lean:
            self.encoder = LeanConformer(encoder, self.ctc if conditioned else None)
        else:
            self.encoder = copy.deepcopy(encoder)
        self.encoder.eval()
        for parent in list(self.encoder.modules()):
            for flag in ("use_sdpa", "use_flash_attn"):
                # Alternative implementations, which are exported differently.
                if hasattr(parent, flag):
                    setattr(parent, flag, False)
            for name, child in list(parent.named_children()):
                new = lean_layer(computed_positions(child))
                if new is not child:
                    setattr(parent, name, new)
        self.known: Optional[KnownLengths] = None
        if not self.lean and has_known_lengths(encoder.embed):
            self.known = KnownLengths(self.encoder.embed)

    def forward(
        self, feats: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode.

        Args:
            feats: ``(batch, frames, dim)``, as many frames as the longest has.
            lengths: ``(batch,)``.

        Returns:
            ``(batch, encoder frames, vocabulary)`` and the valid ones ``(batch,)``.
        """
        if self.lean:
            encoded, lengths = self.encoder(feats, lengths)
        else:
            known = None if self.known is None else self.known.give(lengths)
            encoded, lengths, _ = self.encoder(feats, lengths, **self.options)
            lengths = lengths if known is None else known
        if isinstance(encoded, tuple):  # with the outputs of intermediate blocks
            encoded = encoded[0]
        return self.ctc.log_softmax(encoded), lengths
