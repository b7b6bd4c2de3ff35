"""Exported ONNX models as models of the recogniser, without torch."""

from pathlib import Path
from typing import Optional, Union

import numpy as np

from espnet_plugin.errors import UserError
from espnet_plugin.export.read import check_said, check_unchanged, read_export
from espnet_plugin.export.runtime import OnnxModel, check_packages
from espnet_plugin.files import file_checksum
from espnet_plugin.recognise.frame_times import (
    exported_frame_times,
    measure_frame_times,
)
from espnet_plugin.recognise.vocabulary import check_kind

__all__ = ["OnnxCtcModel", "read_tokens"]

_MODEL, _TOKENS = "model.onnx", "tokens.txt"


def read_tokens(folder: Path, vocabulary: int) -> tuple[str, ...]:
    """Read ``tokens.txt`` of an export.

    Raises:
        UserError: If it is not UTF-8, or has a different number of tokens.
    """
    path = folder / _TOKENS
    try:
        lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not UTF-8 ({error}): copy the whole folder again"
        ) from error
    if len(lines) != vocabulary:
        raise UserError(
            f"{path} has {len(lines)} tokens, the model has {vocabulary}: copy the "
            "whole folder again"
        )
    return tuple(line.rsplit(" ", 1)[0] for line in lines)


class OnnxCtcModel:
    """A folder that ``bin/export.py`` has written for ``--target onnx``.

    Args:
        folder: The folder.
        model_file: Name of a model file in it, e.g. ``model.int8.onnx``.
        num_threads: Threads of onnxruntime.

    Attributes:
        path: Path of the model's file.
        tokens: Symbols of the CTC layer by index.
        token_type: How tokens form words.
        blank: Index of the blank.
        sample_rate: Sampling rate in Hz.
        frame_seconds: Duration from one frame of the output to the next in seconds.
        first_frame_seconds: Centre of the audio from which the first frame is computed,
            in seconds.

    Raises:
        UserError: If the export is for a different target, takes features or lacks a
            file, if a file is not the one that was exported, or if onnxruntime is not
            installed.
    """

    def __init__(
        self,
        folder: Union[str, Path],
        model_file: Optional[str] = None,
        num_threads: int = 1,
    ):
        check_packages("onnxruntime")
        folder = Path(folder)
        meta = read_export(folder)
        if meta.target != "onnx" or meta.streaming is not None:
            kind = "a streaming model" if meta.streaming is not None else meta.target
            raise UserError(
                f"{folder} is an export for {kind}: run the script in it, or "
                "give one made with --target onnx of a model that is not streaming"
            )
        if meta.input != "samples":
            raise UserError(
                f"{folder}: the exported model takes {meta.input}, not audio: "
                "export it without --features, or with --fbank_rate"
            )
        self.path = folder / (model_file or _MODEL)
        if not self.path.is_file():
            there = ", ".join(sorted(path.name for path in folder.glob("*.onnx")))
            raise UserError(
                f"{self.path} is missing: there is {there or 'no *.onnx'}; export the "
                "model again, or name another with --model_file"
            )
        check_unchanged(folder, meta, [self.path.name, _TOKENS])
        self.tokens = read_tokens(folder, meta.vocabulary)
        self.token_type = meta.token_type or "word"
        check_kind(self.token_type)
        self.blank = int(meta.blank)
        self.sample_rate = int(meta.sample_rate)
        self._inputs = meta.inputs
        self._model = OnnxModel(self.path, num_threads)
        self._model.check_inputs(self._inputs)
        check_said(folder, meta, self._model.said)
        times = exported_frame_times(meta)
        if times is None:
            times = measure_frame_times(
                self.log_posteriors, self.sample_rate, self._model.size
            )
        self.frame_seconds, self.first_frame_seconds = times.step, times.first

    def checksum(self) -> str:
        """Return the SHA-256 of the model's file, to which a calibration refers."""
        return file_checksum(self.path)

    def log_posteriors(self, samples: np.ndarray) -> np.ndarray:
        """Return the log-softmax of the CTC layer.

        Args:
            samples: ``(samples,)`` float32 in [-1, 1].

        Returns:
            ``(frames, vocabulary)``; zero frames if there are no samples.

        Raises:
            UserError: If the model takes only shorter audio.
        """
        if not len(samples):
            return np.zeros((0, len(self.tokens)), np.float32)
        count, size = len(samples), self._model.size
        if size is not None and count > size:
            longest = f"{size / self.sample_rate:g}"
            raise UserError(
                f"{self.path} takes at most {longest} s of audio at once, but a "
                f"segment has {count / self.sample_rate:.1f} s: give "
                f"--max_segment_seconds {longest}, or use {_MODEL}"
            )
        batch = np.zeros((1, size or count), dtype=np.float32)
        batch[0, :count] = samples
        feed = dict(zip(self._inputs, (batch, np.array([count], np.int64))))
        log_probs, lengths = self._model.run(feed)
        return log_probs[0, : int(lengths[0])]
