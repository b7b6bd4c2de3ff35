"""Character errors on dev that do not count what is recognised in padding."""

import torch

from espnet_plugin.tensors.frames import frame_mask

__all__ = ["count_valid_frames_only"]

# ESPnet's calculator skips this index in what was recognised as well.
_SKIPPED = -1


class _ValidFrameErrors:
    """ESPnet's error calculator, which also knows how long each utterance is.

    ESPnet 202611 takes the best path over all frames of a padded batch
    (``espnet2.asr.espnet_model.ESPnetASRModel._calc_ctc_loss``), so tokens that stand
    in the padding of short utterances count as insertions. Epochs are chosen by this
    figure, hence the correction.
    """

    def __init__(self, calculator):
        self._calculator = calculator
        self._lengths = None

    def note_lengths(self, ctc, inputs) -> None:
        """Keep the lengths that the CTC layer was called with: a forward pre-hook."""
        self._lengths = inputs[1]

    def __call__(self, ys_hat, ys_pad, is_ctc=False):
        """Return what ESPnet's calculator returns, of the valid frames alone."""
        if is_ctc:
            valid = frame_mask(self._lengths.to(ys_hat.device), ys_hat.size(1))
            ys_hat = ys_hat.masked_fill(~valid, _SKIPPED)
        return self._calculator(ys_hat, ys_pad, is_ctc=is_ctc)

    def __getattr__(self, name):
        if name.startswith("_"):  # not yet there, in a copy that is being made
            raise AttributeError(name)
        return getattr(self._calculator, name)


def count_valid_frames_only(model: torch.nn.Module) -> None:
    """Let a model's ``cer_ctc`` on the dev set be that of the valid frames.

    Args:
        model: An ``ESPnetASRModel``; changed in place. Its ``ctc`` must be called with
            the frames' lengths just before its ``error_calculator``, as ESPnet does.
            Nothing is changed where it has no CTC layer or counts no errors.
    """
    calculator = getattr(model, "error_calculator", None)
    if calculator is None or getattr(model, "ctc", None) is None:
        return
    errors = _ValidFrameErrors(calculator)
    model.ctc.register_forward_pre_hook(errors.note_lengths)
    model.error_calculator = errors
