"""ESPnet experiments as models of the recogniser."""

import logging
from pathlib import Path
from typing import Optional, Union

import numpy as np
import torch
from espnet2.tasks.asr import ASRTask

from espnet_plugin.checkpoints.audio_scale import audio_scale, fit_to_samples
from espnet_plugin.checkpoints.checkpoint import choose_checkpoint
from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.checkpoints.tokenizer import check_bpemodel
from espnet_plugin.data.front_end import sampling_rate, takes_features
from espnet_plugin.decode.posteriors import log_posteriors
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.config import read_config
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.files import file_checksum
from espnet_plugin.recognise.frame_times import (
    known_frame_times,
    measure_frame_times,
)
from espnet_plugin.recognise.vocabulary import check_kind

__all__ = ["EspnetCtcModel"]


class EspnetCtcModel:
    """A plain ESPnet CTC experiment, or a dual-mode one in full-context mode.

    Args:
        folder: Experiment folder with ``config.yaml`` and a checkpoint.
        model_file: Name of the checkpoint; chosen automatically if None.

    Attributes:
        checkpoint: Path of the checkpoint.
        tokens: Symbols of the CTC layer by index.
        token_type: How tokens form words.
        blank: Index of the blank.
        sample_rate: Sampling rate in Hz.
        frame_seconds: Duration from one frame of the output to the next in seconds.
        first_frame_seconds: Centre of the audio from which the first frame is computed,
            in seconds.

    Raises:
        UserError: If the folder has no such model, or the model takes features, has no
            CTC layer or no known sampling rate.
    """

    def __init__(self, folder: Union[str, Path], model_file: Optional[str] = None):
        folder = Path(folder)
        config_file = Experiment(folder).config_file
        config = read_config(config_file)
        if takes_features(config):
            raise UserError(
                f"{folder}: the model takes features, not audio (frontend: null): "
                "recognise prepared folders with python -m espnet_plugin.bin.decode, "
                "or train with --feats_type raw"
            )
        rate = sampling_rate(config, config_file)
        if rate is None:
            raise UserError(
                f"{config_file}: frontend {config.get('frontend')} does not specify "
                "its sampling rate, so files cannot be resampled; use python -m "
                "espnet_plugin.bin.decode on prepared folders"
            )
        self.sample_rate = rate
        self.checkpoint = _choose(folder, model_file)
        self._model, args = load_asr_model(config_file, self.checkpoint)
        fit_to_samples(self._model, audio_scale(folder, config), folder)
        if self._model.ctc is None:
            raise UserError(
                f"{folder}: the model has no CTC layer (model_conf.ctc_weight 0): "
                "train one with ctc_weight above 0, or use espnet2.bin.asr_inference"
            )
        self.tokens = tuple(self._model.token_list)
        self.token_type = _token_type(args, config_file)
        self.blank = int(getattr(self._model, "blank_id", 0))
        if args.use_preprocessor:
            check_bpemodel(args, config_file)
        # The same preprocessing as in decoding, e.g. normalisation of the volume.
        try:
            self._prepare = ASRTask.build_preprocess_fn(args, False)
        except RuntimeError as error:  # a token twice, or no <unk>
            raise UserError(
                f"{config_file}: ESPnet cannot use this token_list ({error}): use the "
                "list that the model was trained with"
            ) from error
        times = known_frame_times(self._model, config, self.sample_rate)
        if times is None:
            times = measure_frame_times(self.log_posteriors, self.sample_rate)
        self.frame_seconds, self.first_frame_seconds = times.step, times.first

    def checksum(self) -> str:
        """Return the SHA-256 of the checkpoint, which names the model."""
        return file_checksum(self.checkpoint)

    def log_posteriors(self, samples: np.ndarray) -> np.ndarray:
        """Return the log-softmax of the CTC layer.

        Args:
            samples: ``(samples,)`` float32 in [-1, 1].

        Returns:
            ``(frames, vocabulary)``; zero frames if there are too few samples.
        """
        if self._prepare is not None:
            samples = self._prepare("", {"speech": samples})["speech"]
        speech = torch.as_tensor(samples, dtype=torch.float32)
        log_probs, lengths = log_posteriors(self._model, [speech])
        return log_probs[0, : int(lengths[0])].numpy()


def _choose(folder: Path, model_file: Optional[str]) -> Path:
    experiment = Experiment(folder)
    meta = experiment.find_meta()
    if model_file is None and meta is not None:
        model_file = meta.checkpoint  # recorded by trainings of this plugin
    if model_file is None and experiment.final_masks_file.is_file():
        model_file = experiment.final_masks_file.name
    return choose_checkpoint(folder, model_file)


def _token_type(args, config_file: Path) -> str:
    kind = getattr(args, "token_type", None)
    if kind is None:
        logging.warning(
            "%s has no token_type: tokens are treated as words", config_file
        )
        return "word"
    check_kind(kind)
    return kind
