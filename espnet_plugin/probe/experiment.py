"""Probes on every layer of a trained recogniser, in each of its modes."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.probe.fit import LayerScore, fit_probes
from espnet_plugin.probe.layers import layer_outputs
from espnet_plugin.probe.opened import OpenedModel, open_model
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
    opened = [open_model(Path(folder), modes) for folder in folders]
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
    opened: OpenedModel,
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
