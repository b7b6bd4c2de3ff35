"""Probes on every layer of a trained recogniser, in each of its modes."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Sequence

import torch

from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.dual_mode.encoder import DualModeConformerEncoder
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.experiment.meta import Meta
from espnet_plugin.probe.fit import LayerScore, fit_probes
from espnet_plugin.probe.layers import freeze, layer_outputs
from espnet_plugin.probe.options import ProbeOptions
from espnet_plugin.probe.utterances import Utterances

__all__ = ["ProbedMode", "probe_experiments"]


@dataclass(frozen=True)
class ProbedMode:
    """The probes of one mode of a recogniser.

    Attributes:
        experiment: Name of its folder.
        checkpoint: File name of the checkpoint.
        mode: ``full`` or ``streaming``.
        layers: Scores on dev, layer by layer.
    """

    experiment: str
    checkpoint: str
    mode: str
    layers: tuple[LayerScore, ...]

    @property
    def label(self) -> str:
        """Name in table and picture."""
        return f"{self.experiment}, {self.mode}"


@dataclass(frozen=True)
class _Opened:
    """A loaded recogniser and the modes to probe."""

    folder: Path
    checkpoint: Path
    model: Any
    train_args: Any
    modes: tuple[str, ...]


def probe_experiments(
    folders: Sequence[Path],
    train_dir: Path,
    dev_dir: Path,
    options: ProbeOptions = ProbeOptions(),
    modes: Sequence[str] = (),
) -> list[ProbedMode]:
    """Probe the layers of recognisers, which are not changed.

    Args:
        folders: Experiment folders of supernets (the average of epochs with final masks
            is used), of recognisers made from one, or of any ESPnet ASR models.
        train_dir: Kaldi folder with training data for the probes.
        dev_dir: Kaldi folder on which their errors are counted.
        options: Training options of the probes.
        modes: The modes to probe; if empty, all for which the model was trained.

    Raises:
        UserError: If a folder has no such model, a model does not have the mode, the
            models have different tokens, or data is missing or damaged.
    """
    opened = [_open(Path(folder), modes) for folder in folders]
    for one in opened[1:]:
        if list(one.model.token_list) != list(opened[0].model.token_list):
            raise UserError(
                f"{one.folder} has other tokens than {opened[0].folder}, so their "
                "token error rates cannot be compared: run the command once for each"
            )
    found = []
    for one in opened:
        train, dev = (
            Utterances(Path(folder), one.train_args, one.folder)
            for folder in (train_dir, dev_dir)
        )
        for mode in one.modes:
            logging.info("%s: probing the layers in mode %s", one.folder, mode)
            found.append(_probe(one, mode, train, dev, options))
    return found


def _probe(
    opened: _Opened,
    mode: str,
    train: Utterances,
    dev: Utterances,
    options: ProbeOptions,
) -> ProbedMode:
    model = opened.model

    def encode(data: Utterances):
        return lambda indices: layer_outputs(model, data.speech(indices), mode)

    scores = fit_probes(
        encode(train),
        train.tokens,
        encode(dev),
        dev.tokens,
        len(model.token_list),
        options,
        drop=sorted({model.sos, model.eos} - {0}),
    )
    name = Experiment(opened.folder).name
    return ProbedMode(name, opened.checkpoint.name, mode, tuple(scores))


def _open(folder: Path, modes: Sequence[str]) -> _Opened:
    experiment = Experiment(folder)
    checkpoint = experiment.final_masks_file
    if not checkpoint.is_file():
        checkpoint = experiment.checkpoint()
    model, train_args = load_asr_model(experiment.config_file, checkpoint)
    freeze(model, str(folder))
    known = _modes(model.encoder, experiment.find_meta())
    for mode in modes:
        if mode not in known:
            raise UserError(
                f"--modes {mode}: {folder} was only trained for {' and '.join(known)}"
            )
    pruner = getattr(model.encoder, "pruner", None)
    if pruner is not None:
        try:
            pruner.check_binary()
        except UserError as error:
            raise UserError(f"{checkpoint}: {error}") from error
    return _Opened(folder, checkpoint, model, train_args, tuple(modes) or known)


def _modes(encoder: torch.nn.Module, meta: Optional[Meta]) -> tuple[str, ...]:
    """Return the modes that a recogniser was trained for."""
    if not isinstance(encoder, DualModeConformerEncoder):
        return ("full",)
    meta = meta or Meta()
    return meta.modes or (meta.mode or encoder.mode,)
