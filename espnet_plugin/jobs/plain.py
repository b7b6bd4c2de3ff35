"""Training plain ESPnet models: the reference, fine-tuned students, baselines."""

from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

import yaml

from espnet_plugin.checkpoints.load import load_asr_model, read_config
from espnet_plugin.errors import UserError
from espnet_plugin.files import file_checksum, write_json, write_text
from espnet_plugin.jobs.rendezvous import run_task
from espnet_plugin.jobs.training_job import training_job
from espnet_plugin.tasks.ranks import is_first, wait_for, without_ranks

__all__ = ["averaged_name", "train_plain_model", "write_meta"]

_CRITERION = ["valid", "cer_ctc", "min"]


def averaged_name(config: Mapping[str, Any]) -> str:
    """Return the name of the checkpoint that a training leaves: its best epochs' mean.

    Args:
        config: Its configuration. Of several criteria on the dev set that of CTC's
            character errors counts, else the first one.

    Raises:
        UserError: If no criterion is on the dev set.
    """
    criteria = config.get("best_model_criterion") or [_CRITERION]
    dev = [name for phase, name, *_ in criteria if phase == "valid"]
    if not dev:
        raise UserError(
            f"best_model_criterion {criteria}: none is on the dev set, on which epochs "
            f"are chosen: add {_CRITERION}"
        )
    return f"valid.{'cer_ctc' if 'cer_ctc' in dev else dev[0]}.ave.pth"


def train_plain_model(
    folder: Path,
    config: dict[str, Any],
    options: Sequence[str],
    meta: dict[str, Any],
    init: Optional[Path] = None,
) -> None:
    """Train a stock model with ESPnet's ASR task; nothing is done twice.

    Args:
        folder: The experiment folder; gets ``config.yaml``, checkpoints, ``cost.json``,
            ``train.log``, curves and ``meta.json``.
        config: Configuration, as a YAML file would hold it.
        options: More of ESPnet's options (data, seed), which win over ``config``.
        meta: What ``meta.json`` says besides what is found out here.
        init: Checkpoint to start from; it must fit exactly.

    Raises:
        UserError: If ``folder`` holds another training, the disk is full, or no epoch
            could be chosen on dev.
    """
    averaged = averaged_name(config)
    # ESPnet's own default asks for the accuracy of a decoder, which CTC does not have.
    config = {**config}
    config.setdefault("best_model_criterion", [_CRITERION])
    first = is_first(options)
    path = folder / "train_config.yaml"
    if not first:
        # By then everything that the first process prepares is there.
        wait_for(path)
    start = "None" if init is None else file_checksum(init)
    request = {"config": config, "options": without_ranks(options), "init": start}
    with training_job(folder, request, first) as todo:
        if todo is None:
            return
        text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
        if first:
            write_text(path, text)
        cmd = ["--config", str(path), "--output_dir", str(folder), *options]
        # What an interrupted run left is gone on from, as asr.sh does.
        cmd += ["--resume", "true"]
        if init is not None:
            cmd += ["--init_param", str(init)]
        run_task("espnet_plugin.tasks.asr:CountedASRTask", cmd)
        if not first:
            return
        _leave_stock_keys(folder / "config.yaml")
        write_meta(folder, folder / averaged, meta)


def _leave_stock_keys(path: Path) -> None:
    """Take our options out of a finished model's configuration: it is a stock model."""
    config = read_config(path)
    if config.pop("data_selection_conf", None) is not None:
        write_text(path, yaml.safe_dump(config, sort_keys=True, allow_unicode=True))


def write_meta(folder: Path, checkpoint: Path, meta: dict[str, Any]) -> None:
    """Write ``meta.json``: what was asked, and the size of what came out."""
    model, args = load_asr_model(folder / "config.yaml", checkpoint, "cpu")
    write_json(
        folder / "meta.json",
        {
            **meta,
            "layers": args.encoder_conf["num_blocks"],
            "width": model.encoder.output_size(),
            "params": sum(p.numel() for p in model.parameters()),
            "params_nonzero": sum(int(p.count_nonzero()) for p in model.parameters()),
            "checkpoint": checkpoint.name,
        },
    )
