"""The frozen reference model from which students learn."""

from typing import Optional, Sequence

import torch
from espnet2.asr.encoder.whisper_encoder import OpenAIWhisperEncoder
from espnet2.asr.espnet_model import ESPnetASRModel
from torch.nn.utils.rnn import pad_sequence

from espnet_plugin.cost.flop_counter import flop_counter
from espnet_plugin.distill.objectives import EncoderOutputs
from espnet_plugin.errors import UserError
from espnet_plugin.tensors.precision import run_in

__all__ = ["FrozenTeacher", "encoder_outputs", "exit_outputs"]

_UNUSED = (
    "decoder",
    "joint_network",
    "criterion_att",
    "criterion_transducer",
    "error_calculator_trans",
)


def encoder_outputs(
    model: ESPnetASRModel, speech: torch.Tensor, lengths: torch.Tensor
) -> EncoderOutputs:
    """Run front end, normalisation, encoder and CTC layer of a model.

    Args:
        model: The model.
        speech: ``(batch, samples)`` or ``(batch, frames, features)``.
        lengths: ``(batch,)``.

    Returns:
        The encoder's output before the CTC layer (``e`` of the EncRL paper) and the
        log-softmax of the CTC layer (``b``).
    """
    encoding, frames = model.encode(speech, lengths)
    if isinstance(encoding, tuple):  # with intermediate CTC
        encoding = encoding[0]
    return EncoderOutputs(encoding, model.ctc.log_softmax(encoding), frames)


def exit_outputs(
    model: ESPnetASRModel, speech: torch.Tensor, lengths: torch.Tensor
) -> list[EncoderOutputs]:
    """Return the outputs after each layer of ``interctc_layer_idx`` and after the last.

    The last layer's normalisation and the CTC layer are applied to each exit, as in a
    model that ends there.

    Args:
        model: The model.
        speech: ``(batch, samples)`` or ``(batch, frames, features)``.
        lengths: Valid samples or frames of each utterance, ``(batch,)``.

    Returns:
        The outputs of each exit, the last layer's at the end; all have the same number
        of frames.
    """
    encoding, frames = model.encode(speech, lengths)
    exits = []
    if isinstance(encoding, tuple):  # with intermediate CTC
        encoding, exits = encoding
    return [
        EncoderOutputs(item, model.ctc.log_softmax(item), frames)
        for item in (*(output for _, output in exits), encoding)
    ]


class FrozenTeacher:
    """A reference model that is never trained.

    It is deliberately not an ``nn.Module``. As a sub-module of the student's model it
    would be initialised again by ESPnet, given to the optimiser, written into every
    checkpoint, and put in training mode at the start of each epoch, where dropout and
    batch statistics would make its outputs noisy.

    Args:
        model: The reference; its decoder, if it has one, is removed.
        dtype: Precision of matrix products in its encoder (``torch.autocast``). The
            front end, the CTC layer and the outputs have single precision.

    Attributes:
        counting: Whether operations are being counted (see
            ``espnet_plugin.cost.counting.count_step``).
        flops: Operations counted so far.

    Raises:
        UserError: If the model has no CTC layer.
    """

    def __init__(self, model: ESPnetASRModel, dtype: torch.dtype = torch.float32):
        if getattr(model, "ctc", None) is None:
            raise UserError(
                "the reference has no CTC layer (ctc_weight 0), whose posteriors EncRL "
                "needs: use a reference that was trained with model_conf.ctc_weight "
                "above 0"
            )
        # Unused. Also, ESPnet's models share the module in criterion_att (it is a
        # default argument), so train() of the student would affect the teacher.
        for part in _UNUSED:
            if getattr(model, part, None) is not None:
                setattr(model, part, None)
        if getattr(model.encoder, "ctc_trim", False):
            # It drops frames that look blank, so the numbers of frames would differ.
            model.encoder.ctc_trim = False
        if dtype != torch.float32:
            run_in(dtype, model.encoder)
        self.model = model.requires_grad_(False).eval()
        self.dtype = dtype
        self.counting = False
        self.flops = 0

    @property
    def dim(self) -> int:
        """Width of the encoding."""
        return self.model.ctc.ctc_lo.in_features

    def __call__(
        self,
        speech: torch.Tensor,
        lengths: torch.Tensor,
        utt_id: Optional[Sequence[str]] = None,
        training: bool = True,
    ) -> EncoderOutputs:
        """Return the outputs without gradient; see :func:`encoder_outputs`.

        Args:
            speech: ``(batch, samples)`` or ``(batch, frames, features)``, without
                SpecAugment.
            lengths: ``(batch,)``.
            utt_id: Not used; :class:`~espnet_plugin.distill.cache.CachedTeacher` does.
            training: Not used.
        """
        weight = self.model.ctc.ctc_lo.weight
        if weight.device != speech.device:
            self.model.to(speech.device)
        with torch.no_grad():
            if not self.counting:
                outputs = self._outputs(speech, lengths)
            else:
                with flop_counter() as counter:
                    outputs = self._outputs(speech, lengths)
                self.flops += counter.get_total_flops()
        self._forget_attention()
        return outputs

    def _outputs(self, speech: torch.Tensor, lengths: torch.Tensor) -> EncoderOutputs:
        encoder = self.model.encoder
        if not isinstance(encoder, OpenAIWhisperEncoder) or encoder.do_pad_trim:
            return encoder_outputs(self.model, speech, lengths)
        # This encoder does not mask padding, so utterances are processed one by one, as
        # in decoding (findings/espnet_whisper.sh).
        each = [
            encoder_outputs(self.model, row[None, :length], length[None])
            for row, length in zip(speech, lengths)
        ]
        return EncoderOutputs(
            pad_sequence([item.encoding[0] for item in each], batch_first=True),
            pad_sequence([item.log_posteriors[0] for item in each], batch_first=True),
            torch.cat([item.lengths for item in each]),
        )

    def _forget_attention(self) -> None:
        """Free the attention weights of the batch, which are not used.

        ESPnet's attention keeps those of the last batch in every layer, (batch, heads,
        frames, frames). They would take memory during the student's step.
        """
        for module in self.model.modules():
            if torch.is_tensor(getattr(module, "attn", None)):
                module.attn = None
