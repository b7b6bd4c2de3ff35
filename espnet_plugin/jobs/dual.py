"""Dual-mode training, and the two recognisers that are made from it."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

import torch

from espnet_plugin.checkpoints.audio_scale import audio_scale, noted_scale
from espnet_plugin.checkpoints.average import average_states
from espnet_plugin.checkpoints.checkpoint import read_checkpoint
from espnet_plugin.checkpoints.config_files import resolve_paths
from espnet_plugin.checkpoints.load import build_asr_model, load_state
from espnet_plugin.checkpoints.plain import ARCHITECTURE, save_state
from espnet_plugin.dual_mode.extract import (
    blocked_state,
    extracted_options,
    extracted_state,
)
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment, ModelFiles
from espnet_plugin.experiment.meta import Meta
from espnet_plugin.files import file_checksum
from espnet_plugin.jobs.models import PlainModel, export_once
from espnet_plugin.jobs.requests import (
    DualModeRequest,
    RecogniserRequest,
    TaughtDualModeRequest,
)
from espnet_plugin.jobs.trainer import DUAL_MODE_TASK
from espnet_plugin.jobs.training import Training, trained
from espnet_plugin.measure.chunk_speed import frames_ms
from espnet_plugin.yaml_files import read_yaml

__all__ = ["Start", "average_epochs", "train_dual_mode", "write_recognisers"]

# The error rate of epochs whose masks are final.
CRITERION = [["valid", "cer_final", "min"]]


@dataclass(frozen=True)
class Start:
    """The initial weights of a training.

    Attributes:
        checkpoint: The checkpoint; None for random weights.
        masks: ``restart`` or ``keep``; see
            :class:`~espnet_plugin.tasks.dual_mode.DualModeASRTask`.
        whole: Whether the output layers are copied as well.
        layers: Instead of a checkpoint, layers of the reference: ``first``, ``last`` or
            ``spaced``.
    """

    checkpoint: Optional[Path] = None
    masks: str = "restart"
    whole: bool = False
    layers: Optional[str] = None

    def noted(self) -> tuple[Any, ...]:
        """Return what is recorded: digest, masks, output layers, and layers if any."""
        path = self.checkpoint
        digest = None if path is None else file_checksum(path)
        noted = digest, self.masks, self.whole
        # Not None, because records of earlier versions have three values.
        return noted if self.layers is None else (*noted, self.layers)

    def options(self) -> list[str]:
        """Return the options of the task for this start."""
        if self.layers is not None:
            return ["--reference_layers", self.layers]
        if self.checkpoint is None:
            return []
        options = ["--start_from", str(self.checkpoint), "--start_masks", self.masks]
        return [*options, *(["--start_whole"] if self.whole else [])]


def train_dual_mode(
    folder: Path,
    config: Mapping[str, Any],
    options: Sequence[str],
    meta: Meta,
    start: Start = Start(),
    reference: Optional[ModelFiles] = None,
) -> None:
    """Train a supernet; a finished training is not repeated.

    Args:
        folder: Receives ``config.yaml``, checkpoints, ``cost.json``, ``train.log``,
            curves, the averaged checkpoint and ``meta.json``.
        config: Training configuration, as in a YAML file; its ``best_model_criterion``
            is replaced.
        options: Further options of ESPnet (data, seed), which override ``config``.
        meta: ``method``, ``variant``, ``seed`` and ``modes`` of the recognisers.
        start: Initial weights.
        reference: The teacher of the modes with ``model_conf.teaching``, and the source
            of ``start.layers``; None if neither is used.

    Raises:
        UserError: If ``folder`` holds a different training, or the masks still change
            in all epochs that were kept.
    """
    wanted = config.get("best_model_criterion")
    if wanted is not None and wanted != CRITERION:
        logging.warning(
            "best_model_criterion %s is replaced by %s, because epochs in which masks "
            "still change must not be averaged",
            *(wanted, CRITERION),
        )
    config = {**config, "best_model_criterion": CRITERION}
    request = DualModeRequest(config, list(options), start.noted())
    begin = start.options()
    if reference is not None:
        digest = file_checksum(reference.checkpoint)
        request = TaughtDualModeRequest(
            config, list(options), start.noted(), reference=digest
        )
        begin += ["--reference_config", str(reference.config)]
        begin += ["--reference_model_file", str(reference.checkpoint)]
    training = Training(DUAL_MODE_TASK, request, options, begin)
    with trained(folder, training) as unfinished:
        if unfinished:
            experiment = Experiment(folder)
            save_state(average_epochs(folder), experiment.final_masks_file)
            layers = experiment.config()["encoder_conf"]["num_blocks"]
            # The report adds the cost of the training named in "after".
            if start.checkpoint is not None:
                meta = meta.but(after=Experiment(start.checkpoint.parent).name)
            experiment.write_meta(meta.but(serves=(layers,)))


def average_epochs(folder: Path) -> dict[str, torch.Tensor]:
    """Average the ``keep_nbest_models`` best epochs, only those with final masks.

    Args:
        folder: Folder of the training.

    Returns:
        The averaged tensors.

    Raises:
        UserError: If none of these epochs has final masks.
    """
    experiment = Experiment(folder)
    # ESPnet also keeps the last epoch, which may not be one of the best.
    states = [
        read_checkpoint(experiment.epoch_file(epoch))
        for epoch in _best_epochs(experiment)
    ]
    final = [s for s in states if int(s.get("encoder.pruner.frozen", torch.tensor(1)))]
    if not final:
        raise UserError(
            f"{folder}: the masks still changed in all epochs that were kept: end "
            "their schedule earlier (encoder_conf.pruning.end), or train for more "
            "epochs"
        )
    logging.info(
        "averaging %d of the %d epochs that were kept", len(final), len(states)
    )
    return average_states(final)


def _best_epochs(experiment: Experiment) -> list[int]:
    """Return the numbers of the epochs that ESPnet would average, sorted."""
    wanted = read_yaml(experiment.config_file)["keep_nbest_models"]
    if isinstance(wanted, list):
        wanted = max(wanted)
    whole = torch.load(experiment.resume_file, map_location="cpu", weights_only=True)
    # Here, because ESPnet takes many seconds to import.
    from espnet2.train.reporter import Reporter

    reporter = Reporter()
    reporter.load_state_dict(whole["reporter"])
    return sorted(reporter.sort_epochs(*CRITERION[0])[:wanted])


def write_recognisers(folder: Path, output: str) -> list[Path]:
    """Write each mode of a trained supernet into its own model folder.

    ``<output>_full`` has the dense weights, ``<output>_streaming`` the sub-network that
    is cut out. Both are decoded like any other model.

    Args:
        folder: Folder of a finished training by :func:`train_dual_mode`.
        output: Prefix of the folders.

    Returns:
        The folders, one for each of the training's ``modes``.

    Raises:
        UserError: If the training is not finished or the masks are not binary.
    """
    supernet = Experiment(folder)
    supernet.require_finished("the training stage")
    source = file_checksum(supernet.final_masks_file)
    written = []
    for mode in supernet.meta().modes:
        target = Path(f"{output}_{mode}")
        export_once(
            target,
            RecogniserRequest(source, mode),
            lambda mode=mode, target=target: _recogniser(supernet, mode, target),
        )
        written.append(target)
    return written


def _recogniser(supernet: Experiment, mode: str, target: Path) -> PlainModel:
    """Return the model of one mode, and write its file of blocks into ``target``."""
    config = resolve_paths(supernet.config(), supernet.config_file)
    whole, _ = build_asr_model(config, supernet.config_file)
    state = read_checkpoint(supernet.final_masks_file)
    load_state(whole, state, supernet.final_masks_file)
    encoder = whole.encoder
    if mode == "full":
        options = {**encoder.options, "mode": "full", "pruning": None}
        parts = encoder.state_dict()
        parts = {k: v for k, v in parts.items() if not k.startswith("pruner.")}
    else:
        options, parts = extracted_options(encoder), extracted_state(encoder)
    plain = _plain_config(config, options)
    # The projections to the teacher's width are only needed for training.
    state = {
        k: v for k, v in state.items() if not k.startswith(("encoder.", "taught."))
    }
    if not whole.use_transducer_decoder:
        # A stock model except for its encoder.
        plain["model"] = "espnet"
        state.pop("dual_mode_batches")
    state.update({f"encoder.{name}": value for name, value in parts.items()})
    meta = _recogniser_meta(supernet, mode, encoder, config)
    pruner = encoder.pruner
    if mode == "streaming" and pruner and pruner.packs:
        blocks = Experiment(target).blocks_file
        save_state(blocked_state(encoder, state, "encoder."), blocks)
        meta = meta.but(blocks_file_bytes=blocks.stat().st_size)
    logging.info("%s: %s mode of %s", target, mode, supernet.folder)
    return PlainModel(plain, state, meta)


def _plain_config(
    config: Mapping[str, Any], encoder_options: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the configuration of a recogniser, from that of its supernet."""
    names = [
        *ARCHITECTURE,
        *(["joint_net_conf"] if config.get("joint_net_conf") else ()),
    ]
    plain = {name: config[name] for name in names if name in config}
    training_only = "dual_mode", "teaching"
    given = config["model_conf"] or {}
    conf = {k: v for k, v in given.items() if k not in training_only}
    options = {k: v for k, v in encoder_options.items() if k != "input_size"}
    model = {"init": None, "model": config["model"]}
    return {**plain, **model, "model_conf": conf, "encoder_conf": options}


def _recogniser_meta(
    supernet: Experiment, mode: str, encoder: torch.nn.Module, config: Mapping[str, Any]
) -> Meta:
    run = supernet.meta()
    # Its only cost is that of the training from which it is cut.
    meta = Meta(
        method=run.method,
        variant=f"{run.variant} {mode}".strip(),
        seed=run.seed,
        shared=supernet.folder.name,
        mode=mode,
        sparsity=0.0,
        audio_scale=noted_scale(audio_scale(supernet.folder, config)),
    )
    if mode != "streaming":
        return meta
    latency = encoder.latency_ms(**frames_ms(config))
    return meta.but(
        sparsity=encoder.pruner.sparsity if encoder.pruner else 0.0,
        latency_ms=latency.total_ms,
        latency_parts=vars(latency),
    )
