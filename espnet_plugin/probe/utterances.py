"""Audio and tokens of a Kaldi folder, read as in the training of a model."""

import argparse
import logging
from pathlib import Path
from typing import Sequence

import torch
from espnet2.tasks.asr import ASRTask
from espnet2.train.dataset import ESPnetDataset

from espnet_plugin.checkpoints.audio_scale import sample_factor
from espnet_plugin.checkpoints.tokenizer import check_bpemodel
from espnet_plugin.errors import UserError
from espnet_plugin.files import read_pairs

__all__ = ["Utterances"]

_NAMES_IN_MESSAGE = 4


class Utterances:
    """The utterances of a set.

    Args:
        folder: Kaldi folder with ``wav.scp`` and ``text``.
        train_args: Training arguments of the model, which define the tokens.
        experiment: Folder of the model.

    Attributes:
        folder: The folder.
        names: Names of the utterances.
        tokens: Token indices of each utterance.

    Raises:
        UserError: If a file is missing or damaged, an utterance has no transcript, or
            the folder has ``segments``.
    """

    def __init__(self, folder: Path, train_args: argparse.Namespace, experiment: Path):
        if (folder / "segments").exists():
            # ESPnet's dataset reads whole files.
            raise UserError(
                f"{folder}: has segments, but every utterance must be a file: give a "
                "folder of stage 2, such as dump/raw/dev"
            )
        audio, texts = (read_pairs(folder / name) for name in ("wav.scp", "text"))
        self.folder, self.names = folder, list(audio)
        missing = [name for name in audio if name not in texts]
        if missing or not audio:
            some = ", ".join(missing[:_NAMES_IN_MESSAGE])
            raise UserError(
                f"{folder / 'text'} lacks {len(missing)} of the {len(audio)} "
                f"utterances of wav.scp ({some}): give a folder with audio and text of "
                "all utterances"
            )
        table = (str(folder / "wav.scp"), "speech", "sound")
        self._factor = sample_factor(experiment, vars(train_args), table)
        self._audio = ESPnetDataset([table])
        check_bpemodel(train_args, experiment)
        preprocess = ASRTask.build_preprocess_fn(train_args, False)
        if preprocess is None:
            raise UserError(
                f"{experiment}: use_preprocessor is false in its configuration, so "
                "its tokens are not known: give a model that was trained with a "
                "tokenizer (use_preprocessor: true)"
            )
        self.tokens = [
            preprocess(name, {"text": texts[name]})["text"].tolist()
            for name in self.names
        ]
        self._warn_of_unknown(train_args.token_list)

    def _warn_of_unknown(self, tokens: Sequence[str]) -> None:
        """Warn about transcripts that the tokens of the model cannot write."""
        unknown = tokens.index("<unk>") if "<unk>" in tokens else None
        found = [n for n, one in zip(self.names, self.tokens) if unknown in one]
        if found:
            logging.warning(
                "%s: %d of %d transcripts, e.g. that of %s, have parts that are not in "
                "the model's token list and count as <unk>: write them as in its "
                "training",
                *(self.folder / "text", len(found), len(self.names), found[0]),
            )

    def speech(self, indices: Sequence[int]) -> list[torch.Tensor]:
        """Read the samples of utterances.

        Raises:
            UserError: If an utterance cannot be read.
        """
        return [self._read(self.names[index]) for index in indices]

    def _read(self, name: str) -> torch.Tensor:
        try:
            speech = torch.as_tensor(self._audio[name][1]["speech"])
        except Exception as error:  # of soundfile or kaldiio
            raise UserError(
                f"{self.folder}: utterance {name} cannot be read: {error}: repair it, "
                "or remove it from wav.scp and text"
            ) from error
        # Front ends do not accept integers, as which samples in archives are read.
        speech = speech if speech.is_floating_point() else speech.float()
        return speech * self._factor
