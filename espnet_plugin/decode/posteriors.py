"""Encodings and CTC posteriors that do not depend on the rest of the batch."""

from typing import Optional, Sequence

import torch
from espnet2.asr.encoder.conformer_encoder import ConformerEncoder
from espnet2.asr.encoder.e_branchformer_encoder import EBranchformerEncoder
from espnet2.asr.encoder.transformer_encoder import TransformerEncoder
from espnet2.asr.espnet_model import ESPnetASRModel

try:
    from espnet2.legacy.nets.pytorch_backend.conformer import convolution
    from espnet2.legacy.nets.pytorch_backend.transformer.subsampling import (
        check_short_utt,
    )
except ImportError:  # before ESPnet 202609
    from espnet.nets.pytorch_backend.conformer import convolution
    from espnet.nets.pytorch_backend.transformer.subsampling import check_short_utt

from espnet_plugin.dual_mode.encoder import DualModeConformerEncoder

__all__ = [
    "encode_alone",
    "features_alone",
    "depends_on_padding",
    "hears_padding",
    "log_posteriors",
    "masks_padding",
]

# positionwise_layer_type conv1d and conv1d-linear, and pos_enc_layer_type conv.
_UNMASKED = ("MultiLayeredConv1d", "Conv1dLinear", "ConvolutionalPositionalEmbedding")


def masks_padding(model: ESPnetASRModel) -> bool:
    """Return whether the encoder's output does not depend on the padding of a batch.

    This is only true for encoders that are known to mask their convolutions and
    attention (since ESPnet 202609). The legacy relative positions depend on the length
    of the padded batch, and the convolutions of ``_UNMASKED`` reach into the padding.
    """
    encoder = model.encoder
    if isinstance(encoder, DualModeConformerEncoder):
        return model.preencoder is None and model.postencoder is None
    known = (ConformerEncoder, EBranchformerEncoder, TransformerEncoder)
    return (
        isinstance(encoder, known)
        and not depends_on_padding(model)
        and not getattr(encoder, "ctc_trim", False)
        and model.preencoder is None
        and model.postencoder is None
        and hasattr(convolution, "mask_padded_frames")
    )


def depends_on_padding(model: ESPnetASRModel) -> bool:
    """Tell whether an output depends on how long the batch is padded.

    By convolutions, or by the old relative positions.
    """
    legacy = any(
        type(module).__name__.startswith("Legacy") for module in model.encoder.modules()
    )
    return legacy or hears_padding(model)


def hears_padding(model: ESPnetASRModel) -> bool:
    """Tell whether what pads a batch is heard by convolutions without a mask."""
    return any(type(part).__name__ in _UNMASKED for part in model.encoder.modules())


@torch.inference_mode()
def log_posteriors(
    model: ESPnetASRModel, speech: Sequence[torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute the log-softmax of the CTC layer as if each utterance were alone.

    Args:
        model: The model, in evaluation mode.
        speech: Samples ``(samples,)`` or features ``(frames, dim)`` of each utterance.

    Returns:
        ``(batch, frames, vocab)`` and the numbers of valid frames ``(batch,)``; an
        utterance that is too short for the subsampling has none.
    """
    encodings = encode_alone(model, speech)
    lengths = torch.tensor([len(item) for item in encodings])
    padded = torch.nn.utils.rnn.pad_sequence(encodings, batch_first=True)
    if padded.shape[1] == 0:
        return padded.new_zeros(len(speech), 0, len(model.token_list)), lengths
    return model.ctc.log_softmax(padded), lengths.to(padded.device)


@torch.inference_mode()
def encode_alone(
    model: ESPnetASRModel, speech: Sequence[torch.Tensor]
) -> list[torch.Tensor]:
    """Encode utterances as if each were alone.

    The front end runs for each utterance separately, because its last windows would
    include padding. The encoder runs once for the batch if it masks padding completely,
    otherwise for each utterance separately.

    Args:
        model: The model, in evaluation mode.
        speech: Samples ``(samples,)`` or features ``(frames, dim)`` of each utterance.

    Returns:
        ``(frames, dim)`` for each utterance, without padding; zero frames if it is too
        short for the subsampling.
    """
    device = next(model.parameters()).device
    feats = [features_alone(model, item.to(device)) for item in speech]
    usable = [index for index, item in enumerate(feats) if item is not None]
    groups = [usable] if masks_padding(model) else [[index] for index in usable]
    width = _width(model)
    encodings = [torch.zeros(0, width, device=device) for _ in speech]
    for group in filter(None, groups):
        sizes = torch.tensor([len(feats[index]) for index in group], device=device)
        padded = torch.nn.utils.rnn.pad_sequence(
            [feats[index] for index in group], batch_first=True
        )
        encoded, frames = _encode(model, padded, sizes)
        for row, index in enumerate(group):
            encodings[index] = encoded[row, : frames[row]]
    return encodings


def _width(model: ESPnetASRModel) -> int:
    last = model.encoder if model.postencoder is None else model.postencoder
    return last.output_size()


def features_alone(
    model: ESPnetASRModel, speech: torch.Tensor
) -> Optional[torch.Tensor]:
    """Return the input of the encoder for one utterance.

    Args:
        model: The model, in evaluation mode.
        speech: Samples ``(samples,)`` or features ``(frames, dim)``.

    Returns:
        The normalised features ``(frames, dim)``, or None if the utterance is too short
        for the subsampling.
    """
    stft = getattr(model.frontend, "stft", None)
    # Centred windows mirror the audio at both ends, so it must be long enough.
    window = getattr(stft or model.encoder, "n_fft", 0)  # in Whisper: of the encoder
    if len(speech) <= window // 2:
        return None
    sizes = torch.tensor([len(speech)], device=speech.device)
    feats, sizes = model._extract_feats(speech[None], sizes)
    if model.normalize is not None:
        feats, sizes = model.normalize(feats, sizes)
    embed = getattr(model.encoder, "embed", None)
    if isinstance(model.encoder, DualModeConformerEncoder):
        too_short = feats.size(1) < embed.span
    else:
        too_short = embed is not None and check_short_utt(embed, feats.size(1))[0]
    if too_short:
        return None
    return feats[0]


def _encode(
    model: ESPnetASRModel, feats: torch.Tensor, sizes: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Run the part of ``ESPnetASRModel.encode`` after the normalisation."""
    if model.preencoder is not None:
        feats, sizes = model.preencoder(feats, sizes)
    uses_ctc = getattr(model.encoder, "interctc_use_conditioning", False) or getattr(
        model.encoder, "ctc_trim", False
    )
    options = {"ctc": model.ctc} if uses_ctc else {}
    encoded, sizes, _ = model.encoder(feats, sizes, **options)
    if isinstance(encoded, tuple):  # with the outputs of intermediate blocks
        encoded = encoded[0]
    if model.postencoder is not None:
        encoded, sizes = model.postencoder(encoded, sizes)
    return encoded, sizes
