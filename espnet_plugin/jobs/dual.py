"""A dual-mode training, and the two recognisers that come out of it."""

import logging
from pathlib import Path
from typing import Any, Optional, Sequence

import torch
import yaml

from espnet_plugin.checkpoints.average import average_states
from espnet_plugin.checkpoints.checkpoint import read_checkpoint
from espnet_plugin.checkpoints.load import (
    build_asr_model,
    load_asr_model,
    load_state,
    read_config,
    resolve_paths,
)
from espnet_plugin.checkpoints.plain import ARCHITECTURE, save_state
from espnet_plugin.cost.log import write_no_cost
from espnet_plugin.dual_mode.extract import (
    blocked_state,
    extracted_options,
    extracted_state,
)
from espnet_plugin.dual_mode.load import AVERAGED
from espnet_plugin.errors import UserError
from espnet_plugin.files import file_checksum, read_json, write_json, write_text
from espnet_plugin.jobs.plain import write_meta
from espnet_plugin.jobs.training_job import read_yaml, training_job
from espnet_plugin.measure.chunk_speed import frames_ms

__all__ = ["AVERAGED", "average_epochs", "train_dual_mode", "write_recognisers"]

# The same model as model.pth, without the masked blocks: a smaller file, no faster.
BLOCKS = "model.blocks.pth"
# By the error rate of epochs with final masks.
CRITERION = [["valid", "cer_final", "min"]]


def train_dual_mode(
    folder: Path,
    config: dict[str, Any],
    options: Sequence[str],
    meta: dict[str, Any],
    start_from: Optional[Path] = None,
    start_masks: str = "restart",
    start_whole: bool = False,
) -> None:
    """Train a supernet; nothing is done twice.

    Args:
        folder: Gets ``config.yaml``, checkpoints, ``cost.json``, ``train.log``, curves,
            the averaged checkpoint and ``meta.json``.
        config: Training configuration, as a YAML file would hold it; its
            ``best_model_criterion`` is replaced.
        options: More of ESPnet's options (data, seed), which win over ``config``.
        meta: ``method``, ``variant``, ``seed`` and ``modes`` of the recognisers.
        start_from: Checkpoint to start from; see
            :class:`~espnet_plugin.tasks.dual_mode.DualModeASRTask`.
        start_masks: Likewise.
        start_whole: Likewise.

    Raises:
        UserError: If ``folder`` holds another training, or no epoch that was kept has
            final masks.
    """
    wanted = config.get("best_model_criterion")
    if wanted is not None and wanted != CRITERION:
        logging.warning(
            "best_model_criterion %s is replaced by %s: epochs whose masks still move "
            "must not be averaged",
            *(wanted, CRITERION),
        )
    config = {**config, "best_model_criterion": CRITERION}
    start = None if start_from is None else file_checksum(start_from)
    request = {
        "config": config,
        "options": list(options),
        "start": [start, start_masks, start_whole],
    }
    with training_job(folder, request) as todo:
        if todo is None:
            return
        path = folder / "train_config.yaml"
        write_text(path, yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
        cmd = ["--config", str(path), "--output_dir", str(folder), "--resume", "true"]
        if start_from is not None:
            cmd += ["--start_from", str(start_from), "--start_masks", start_masks]
            cmd += ["--start_whole"] if start_whole else []
        # Here, because ESPnet takes many seconds to import.
        from espnet_plugin.tasks.dual_mode import DualModeASRTask

        DualModeASRTask.main(cmd=[*cmd, *options])
        save_state(average_epochs(folder), folder / AVERAGED)
        layers = read_config(folder / "config.yaml")["encoder_conf"]["num_blocks"]
        # Of the report, which follows it to the start: what it cost belongs to the cost
        # of whatever goes on from it.
        if start_from is not None:
            meta = {**meta, "after": start_from.parent.resolve().name}
        write_json(folder / "meta.json", {**meta, "serves": [layers]})


def average_epochs(folder: Path) -> dict[str, torch.Tensor]:
    """Average the ``keep_nbest_models`` best epochs whose masks no longer moved.

    Raises:
        UserError: If there is none.
    """
    # Not all that are there: ESPnet keeps the last epoch, however good it was.
    states = [
        read_checkpoint(folder / f"{epoch}epoch.pth") for epoch in _best_epochs(folder)
    ]
    final = [s for s in states if int(s.get("encoder.pruner.frozen", torch.tensor(1)))]
    if not final:
        raise UserError(
            f"{folder}: the masks still moved in all epochs that were kept: end their "
            "schedule earlier (encoder_conf.pruning.end), or train for more epochs"
        )
    logging.info("averaging %d of %d epochs that were kept", len(final), len(states))
    return average_states(final)


def _best_epochs(folder: Path) -> list[int]:
    """Return the epochs that ESPnet's own average takes, in their order."""
    wanted = read_yaml(folder / "config.yaml")["keep_nbest_models"]
    if isinstance(wanted, list):
        wanted = max(wanted)
    whole = torch.load(folder / "checkpoint.pth", map_location="cpu", weights_only=True)
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
        folder: Of :func:`train_dual_mode`, finished.
        output: Prefix of the folders.

    Returns:
        The folders, one for each of the training's ``modes``.

    Raises:
        UserError: If the training is not finished, or the masks are not binary.
    """
    if not (folder / "done.json").is_file():
        raise UserError(f"{folder} is not finished: run the training stage first")
    run = read_json(folder / "meta.json")
    config = resolve_paths(read_config(folder / "config.yaml"), folder / "config.yaml")
    source = file_checksum(folder / AVERAGED)
    written = []
    for mode in run["modes"]:
        target = Path(f"{output}_{mode}")
        with training_job(target, {"supernet": source, "mode": mode}) as todo:
            if todo is not None:
                _write_recogniser(folder, config, run, mode, target)
        written.append(target)
    return written


def _write_recogniser(
    folder: Path, config: dict, run: dict[str, Any], mode: str, target: Path
) -> None:
    whole, _ = build_asr_model(config, folder / "config.yaml")
    state = read_checkpoint(folder / AVERAGED)
    load_state(whole, state, folder / AVERAGED)
    encoder = whole.encoder
    pruner = encoder.pruner
    plain = {name: config[name] for name in ARCHITECTURE if name in config}
    plain.update(init=None, model=config["model"])
    for name in ("joint_net_conf",):
        if config.get(name):
            plain[name] = config[name]
    conf = {k: v for k, v in (config["model_conf"] or {}).items() if k != "dual_mode"}
    plain["model_conf"] = conf
    if mode == "full":
        options = {**encoder.options, "mode": "full", "pruning": None}
        parts = encoder.state_dict()
        parts = {k: v for k, v in parts.items() if not k.startswith("pruner.")}
    else:
        options, parts = extracted_options(encoder), extracted_state(encoder)
    plain["encoder_conf"] = {k: v for k, v in options.items() if k != "input_size"}
    state = {k: v for k, v in state.items() if not k.startswith("encoder.")}
    if not whole.use_transducer_decoder:
        # A stock model but for its encoder.
        plain["model"] = "espnet"
        state.pop("dual_mode_batches")
    state.update({f"encoder.{name}": value for name, value in parts.items()})
    save_state(state, target / "model.pth")
    text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)
    write_text(target / "config.yaml", text)
    load_asr_model(target / "config.yaml", target / "model.pth", "cpu")
    write_no_cost(target)  # all it costs is the training it is cut from
    latency = None
    if mode == "streaming":
        latency = encoder.latency_ms(**frames_ms(config))
    meta = {
        **{k: run.get(k) for k in ("method", "seed")},
        "variant": f"{run.get('variant') or ''} {mode}".strip(),
        "shared": folder.name,
        "mode": mode,
        "sparsity": pruner.sparsity if pruner and mode == "streaming" else 0.0,
        "latency_ms": None if latency is None else latency.total_ms,
        "latency_parts": None if latency is None else vars(latency),
    }
    if mode == "streaming" and pruner and pruner.packs:
        save_state(blocked_state(encoder, state, "encoder."), target / BLOCKS)
        meta["blocks_file_bytes"] = (target / BLOCKS).stat().st_size
    write_meta(target, target / "model.pth", meta)
    logging.info("%s: %s mode of %s", target, mode, folder)
