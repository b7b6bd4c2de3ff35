"""A dual-mode training, and the two recognisers that come out of it."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

import torch

from espnet_plugin.checkpoints.audio_scale import audio_scale, noted_scale
from espnet_plugin.checkpoints.average import average_states
from espnet_plugin.checkpoints.checkpoint import read_checkpoint
from espnet_plugin.checkpoints.load import build_asr_model, load_state, resolve_paths
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

# By the error rate of epochs with final masks.
CRITERION = [["valid", "cer_final", "min"]]


@dataclass(frozen=True)
class Start:
    """What a training starts from.

    Attributes:
        checkpoint: The file; None for random weights.
        masks: ``restart`` or ``keep``; see
            :class:`~espnet_plugin.tasks.dual_mode.DualModeASRTask`.
        whole: Whether the output layers are taken as well.
    """

    checkpoint: Optional[Path] = None
    masks: str = "restart"
    whole: bool = False

    def noted(self) -> tuple[Optional[str], str, bool]:
        """Return what decides what comes out of it."""
        path = self.checkpoint
        digest = None if path is None else file_checksum(path)
        return digest, self.masks, self.whole

    def options(self) -> list[str]:
        """Return the task's options for it."""
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
    """Train a supernet; nothing is done twice.

    Args:
        folder: Gets ``config.yaml``, checkpoints, ``cost.json``, ``train.log``, curves,
            the averaged checkpoint and ``meta.json``.
        config: Training configuration, as a YAML file would hold it; its
            ``best_model_criterion`` is replaced.
        options: More of ESPnet's options (data, seed), which win over ``config``.
        meta: ``method``, ``variant``, ``seed`` and ``modes`` of the recognisers.
        start: What it starts from.
        reference: What teaches the modes; with ``model_conf.teaching`` alone.

    Raises:
        UserError: If ``folder`` holds another training, or no epoch that was kept has
            final masks.
    """
    wanted = config.get("best_model_criterion")
    if wanted is not None and wanted != CRITERION:
        logging.warning(
            "best_model_criterion %s is replaced by %s: epochs in which masks still "
            "change must not be averaged",
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
            # The report follows "after" to the start: what that cost belongs to the
            # cost of whatever continues it.
            if start.checkpoint is not None:
                meta = meta.but(after=Experiment(start.checkpoint.parent).name)
            experiment.write_meta(meta.but(serves=(layers,)))


def average_epochs(folder: Path) -> dict[str, torch.Tensor]:
    """Average the ``keep_nbest_models`` best epochs whose masks no longer moved.

    Raises:
        UserError: If there is none.
    """
    experiment = Experiment(folder)
    # Not all that are there: ESPnet keeps the last epoch, however good it was.
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
    """Return the epochs that ESPnet's own average takes, in their order."""
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
    """Write each mode of a trained supernet as a model folder of its own.

    ``<output>_full`` has the dense weights, ``<output>_streaming`` is the sub-network
    cut out. Both are decoded as any other folder.

    Args:
        folder: Where :func:`train_dual_mode` has finished.
        output: Prefix of the folders.

    Returns:
        The folders, one for each of the training's ``modes``.

    Raises:
        UserError: If the training is not finished, or the masks are not binary.
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
    """Take one mode out of a supernet; its blocks, too, are written into ``target``."""
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
    # What projects to the teacher's width is of no use afterwards.
    state = {
        k: v for k, v in state.items() if not k.startswith(("encoder.", "taught."))
    }
    if not whole.use_transducer_decoder:
        # A stock model but for its encoder.
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
    """Return what makes a recogniser of a supernet's configuration."""
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
    # All it costs is the training that it is cut from.
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
