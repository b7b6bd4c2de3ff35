"""Character error rate on dev without the tokens recognised in padding."""

import torch

from espnet_plugin.tensors.frames import frame_mask

__all__ = ["count_valid_frames_only"]

# ESPnet's calculator also skips this index in hypotheses.
_SKIPPED = -1


class _ValidFrameErrors:
    """ESPnet's error calculator, limited to the valid frames of each utterance.

    ESPnet 202611 takes the best path over all frames of a padded batch
    (``espnet2.asr.espnet_model.ESPnetASRModel._calc_ctc_loss``), so tokens in the
    padding of short utterances count as insertions. This is corrected because epochs
    are chosen by this figure.
    """

    def __init__(self, calculator):
        self._calculator = calculator
        self._lengths = None

    def note_lengths(self, ctc, inputs) -> None:
        """Store the lengths that the CTC layer is called with (a forward pre-hook)."""
        self._lengths = inputs[1]

    def __call__(self, ys_hat, ys_pad, is_ctc=False):
        """Return the result of ESPnet's calculator for the valid frames."""
        if is_ctc:
            valid = frame_mask(self._lengths.to(ys_hat.device), ys_hat.size(1))
            ys_hat = ys_hat.masked_fill(~valid, _SKIPPED)
        return self._calculator(ys_hat, ys_pad, is_ctc=is_ctc)

    def __getattr__(self, name):
        if name.startswith("_"):  # not set yet while the object is copied
            raise AttributeError(name)
        return getattr(self._calculator, name)


def count_valid_frames_only(model: torch.nn.Module) -> None:
    """Restrict a model's ``cer_ctc`` on the dev set to the valid frames.

    Args:
        model: An ``ESPnetASRModel``, changed in place. Its ``ctc`` must be called with
            the lengths just before its ``error_calculator``, as ESPnet does. Models
            without CTC layer or error calculator are not changed.
    """
    calculator = getattr(model, "error_calculator", None)
    if calculator is None or getattr(model, "ctc", None) is None:
        return
    errors = _ValidFrameErrors(calculator)
    model.ctc.register_forward_pre_hook(errors.note_lengths)
    model.error_calculator = errors
