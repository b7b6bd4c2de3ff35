"""A reference that a configuration names, for training by ESPnet's own ASR task.

``espnet_plugin.tasks.encrl`` derives a student from its reference. Where ESPnet's stock
task builds the student (``asr.sh`` through ``espnet_plugin.launch``), the reference is
named in ``model_conf`` and has to be found from there.
"""

import logging
from pathlib import Path
from typing import Optional, Sequence

import torch
from espnet2.asr.espnet_model import ESPnetASRModel

from espnet_plugin.checkpoints.checkpoint import read_checkpoint
from espnet_plugin.checkpoints.layers import present_names
from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.distill.starts import INITS
from espnet_plugin.distill.students import choose_layers, copy_weights
from espnet_plugin.distill.teacher import FrozenTeacher
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.config import read_config

__all__ = ["NamedReference"]


class NamedReference:
    """A reference that is given by its files, which are read when they are needed.

    The collection of statistics and the decoding of a finished student do not need the
    reference, so missing files are an error only in training.

    Args:
        config: ``config.yaml`` of the reference.
        model_file: Checkpoint of the reference.
        init: Layers of the reference that initialise the student: ``first``, ``last``,
            ``spaced``, or ``random`` for none.
        layers: Numbers of these layers, counted from 0, instead of ``init``.

    Raises:
        UserError: If only one file is given, or ``init`` is unknown.
    """

    def __init__(
        self,
        config: Optional[str],
        model_file: Optional[str],
        init: str = "random",
        layers: Optional[Sequence[int]] = None,
    ):
        if config is None or model_file is None:
            raise UserError(
                "model_conf: reference_config and reference_model_file must be given "
                "together: give the reference's config.yaml and its checkpoint"
            )
        if init not in INITS:
            raise UserError(
                f"model_conf.student_init {init!r}: choose from {', '.join(INITS)}"
            )
        self.config, self.model_file = Path(config), Path(model_file)
        self.init, self.layers = init, layers

    def is_there(self) -> bool:
        """Return whether both files exist."""
        return self.config.is_file() and self.model_file.is_file()

    def prepare(self, student: ESPnetASRModel) -> None:
        """Check the tokens and copy layers into a student, if the files exist.

        Args:
            student: The student, which is changed in place.

        Raises:
            UserError: If the reference has different tokens or too few layers.
        """
        if not self.is_there():
            logging.warning(
                "reference %s, %s: not found. Decoding and statistics work without "
                "it, but training does not",
                self.config,
                self.model_file,
            )
            return
        config = read_config(self.config)
        tokens = config["token_list"]
        if isinstance(tokens, list) and tokens != list(student.token_list):
            raise UserError(
                f"{self.config}: the reference has {len(tokens)} tokens, the student "
                f"{len(student.token_list)}, or different ones: train the student "
                "with the reference's token list, because outputs are compared token "
                "by token"
            )
        if self.init == "random" and not self.layers:
            return
        layers = self.layers
        if not layers:
            there, here = config["encoder_conf"].get("num_blocks"), _blocks(student)
            if there is None:
                raise UserError(
                    f"{self.config}: encoder_conf.num_blocks is missing, so layers "
                    "cannot be chosen automatically; give them with "
                    "model_conf.student_layers"
                )
            layers = choose_layers(there, here, self.init)
        state = present_names(read_checkpoint(self.model_file), student.state_dict())
        report = copy_weights(state, student, layers)
        logging.info("layers %s of the reference: %s", layers, report.summary())
        report.log_names()

    def width(self) -> Optional[int]:
        """Return the width of the reference's encoding, None if files are missing."""
        if not self.is_there():
            return None
        weight = read_checkpoint(self.model_file).get("ctc.ctc_lo.weight")
        return None if weight is None else weight.size(1)

    def load(self) -> FrozenTeacher:
        """Build the reference, without changing the random numbers of the training.

        Raises:
            UserError: If it cannot be read or has no CTC layer.
        """
        with torch.random.fork_rng(devices=[]):
            model, _ = load_asr_model(self.config, self.model_file, "cpu")
        return FrozenTeacher(model)


def _blocks(student: ESPnetASRModel) -> int:
    blocks = getattr(student.encoder, "encoders", None)
    if blocks is None:
        raise UserError(
            f"model_conf.student_init: encoder {type(student.encoder).__name__} has no "
            "layers that can be copied; choose random"
        )
    return len(blocks)
