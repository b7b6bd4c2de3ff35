"""Models of several sizes from one EncRL run, and the untrained reference."""

import logging
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

import torch
import yaml

from espnet_plugin.checkpoints.load import build_asr_model, read_config, resolve_paths
from espnet_plugin.checkpoints.plain import (
    config_with_exits,
    plain_config,
    save_state,
    write_plain_model,
)
from espnet_plugin.cost.log import write_no_cost
from espnet_plugin.distill.students import choose_layers
from espnet_plugin.errors import UserError
from espnet_plugin.files import file_checksum, read_json, write_text
from espnet_plugin.jobs.plain import averaged_name, train_plain_model, write_meta
from espnet_plugin.jobs.training_job import training_job
from espnet_plugin.tasks.ranks import is_first

__all__ = [
    "ENCRL_AVERAGED",
    "export_direct",
    "finetune_family",
    "finetune_together",
    "write_untrained",
]

ENCRL_AVERAGED = "valid.loss.ave.pth"


def _encrl_run(encrl_dir: Path) -> tuple[dict, dict, Path]:
    if not (encrl_dir / "done.json").is_file():
        raise UserError(f"{encrl_dir} is not finished: run stage 5 (EncRL) first")
    config = resolve_paths(
        read_config(encrl_dir / "config.yaml"), encrl_dir / "config.yaml"
    )
    return config, read_json(encrl_dir / "meta.json"), encrl_dir / ENCRL_AVERAGED


def _start(
    folder: Path,
    config: dict,
    checkpoint: Path,
    layers: Sequence[int],
    options: Sequence[str],
) -> tuple[Path, str]:
    """Write what a training starts from; return its path and the source's checksum."""
    init = folder / "init" / "model.pth"
    source = file_checksum(checkpoint)
    if not is_first(options):
        pass  # the first process writes it
    elif not (folder / "done.json").is_file():
        write_plain_model(config, checkpoint, layers, init.parent, init.name)
    elif read_json(folder / "meta.json").get("encrl_sha256") != source:
        raise UserError(
            f"{folder} was fine-tuned from another training than {checkpoint}: choose "
            "another --tag, or delete the folder"
        )
    return init, source


def finetune_family(
    encrl_dir: Path,
    sizes: Sequence[int],
    how: str,
    training: dict[str, Any],
    options: Sequence[str],
    output: str,
    seed: int,
) -> None:
    """Fine-tune a model of each size with CTC, step 2 of the EncRL paper.

    Args:
        encrl_dir: A finished EncRL run.
        sizes: Numbers of encoder layers.
        how: Which layers a smaller model takes of the EncRL student: ``last`` (the
            paper), ``first`` or ``spaced``.
        training: Training configuration: optimiser, schedule, batches, SpecAugment.
        options: ESPnet's options for the data.
        output: Prefix of the folders; ``_<n>l`` is put behind.
        seed: Of the fine-tuning.
    """
    config, run, checkpoint = _encrl_run(encrl_dir)
    there = config["encoder_conf"]["num_blocks"]
    # Before any work: a size that is too large for the last job should not cost the
    # first one's hours.
    chosen = {size: choose_layers(there, size, how) for size in sizes}
    for size, layers in chosen.items():
        folder = Path(f"{output}_{size}l")
        init, source = _start(folder, config, checkpoint, layers, options)
        meta = {
            "method": "encrl",
            "variant": run["variant"],
            "seed": seed,
            "shared": encrl_dir.name,
            "kept_layers": layers,
            "encrl_sha256": source,
        }
        model = plain_config(config, layers)
        logging.info("fine-tuning %d layers in %s", size, folder)
        train_plain_model(
            folder, {**model, **training}, [*options, "--seed", str(seed)], meta, init
        )


def finetune_together(
    encrl_dir: Path,
    sizes: Sequence[int],
    training: dict[str, Any],
    options: Sequence[str],
    output: str,
    seed: int,
    alone: Optional[Mapping[int, int]] = None,
) -> None:
    """Fine-tune all sizes in the same steps and cut the models out afterwards.

    See :func:`espnet_plugin.checkpoints.plain.config_with_exits`: a smaller model is
    the first layers of the larger ones. It pays for that; ``alone`` lets it go on by
    itself.

    Args:
        encrl_dir: A finished EncRL run of the largest size.
        sizes: Numbers of encoder layers.
        training: Training configuration: optimiser, schedule, batches, SpecAugment.
        options: ESPnet's options for the data.
        output: Prefix of the folders; ``_<n>l`` is put behind, and ``_family`` for what
            is trained.
        seed: Of the fine-tuning.
        alone: By size, the epochs of further training of what was cut out.

    Raises:
        UserError: If the EncRL run is not finished or was another one, or ``alone``
            names a size that is not made or no epochs.
    """
    config, run, checkpoint = _encrl_run(encrl_dir)
    sizes = sorted(sizes, reverse=True)
    alone = alone or {}
    for size, epochs in alone.items():
        if size not in sizes or epochs < 1:
            raise UserError(
                f"--alone {size}:{epochs}: must be one of the sizes {sizes} and 1 "
                "epoch or more"
            )
    layers = choose_layers(config["encoder_conf"]["num_blocks"], sizes[0], "first")
    together = Path(f"{output}_family")
    init, source = _start(together, config, checkpoint, layers, options)
    model = config_with_exits(plain_config(config, layers), sizes)
    meta = {
        "method": "encrl_finetune",
        "variant": run["variant"],
        "seed": seed,
        "serves": sizes,
        "after": encrl_dir.name,
        "encrl_sha256": source,
    }
    logging.info("fine-tuning %s layers in %s", sizes, together)
    train_plain_model(
        together, {**model, **training}, [*options, "--seed", str(seed)], meta, init
    )
    # An exit's output is normalised by the norm after the last layer, too.
    trained = together / averaged_name(training)
    for size in sizes:
        folder = Path(f"{output}_{size}l")
        kept = choose_layers(sizes[0], size, "first")
        meta = {
            "method": "encrl",
            "variant": run["variant"],
            "seed": seed,
            "shared": together.name,
            "kept_layers": kept,
        }
        if size in alone:
            init, source = _start(folder, config, trained, kept, options)
            meta["encrl_sha256"] = source
            logging.info("fine-tuning %d layers alone in %s", size, folder)
            train_plain_model(
                folder,
                {**plain_config(config, kept), **training, "max_epoch": alone[size]},
                [*options, "--seed", str(seed)],
                meta,
                init,
            )
            continue
        if not is_first(options):
            continue
        source = file_checksum(trained)
        request = {"family": together.name, "layers": size, "encrl_sha256": source}
        with training_job(folder, request) as todo:
            if todo is None:
                continue
            path = write_plain_model(config, trained, kept, folder, "model.pth")
            # All they cost is the training they are cut from.
            write_no_cost(folder)
            write_meta(folder, path, meta)


def export_direct(
    encrl_dir: Path,
    sizes: Sequence[int],
    how: str,
    output: str,
    method: str = "encrl_direct",
) -> None:
    """Export models as EncRL left them, without fine-tuning, to be decoded.

    Args:
        encrl_dir: A finished EncRL run.
        sizes: Numbers of encoder layers.
        how: Which layers a smaller model takes of the EncRL student.
        output: Prefix of the folders; ``_<n>l`` is put behind.
        method: Their name in the tables.
    """
    config, run, checkpoint = _encrl_run(encrl_dir)
    for size in sizes:
        layers = choose_layers(config["encoder_conf"]["num_blocks"], size, how)
        folder = Path(f"{output}_{size}l")
        with training_job(folder, {"encrl": str(encrl_dir), "layers": layers}) as todo:
            if todo is None:
                continue
            path = write_plain_model(config, checkpoint, layers, folder, "model.pth")
            meta = {
                "method": method,
                "variant": run["variant"],
                "seed": run["seed"],
                "shared": encrl_dir.name,
                "kept_layers": layers,
            }
            # All they cost is the run they are cut from.
            write_no_cost(folder)
            write_meta(folder, path, meta)


def write_untrained(reference_config: Path, folder: Path, seed: int) -> None:
    """Write a reference that never saw speech: the negative control of EncRL.

    Args:
        reference_config: Whose architecture, tokens and statistics it has.
        folder: Gets ``config.yaml``, ``model.pth`` and ``meta.json``.
        seed: Of its random weights.
    """
    request = {"reference_config": str(reference_config), "seed": seed}
    with training_job(folder, request) as todo:
        if todo is None:
            return
        config = resolve_paths(read_config(reference_config), reference_config)
        config = plain_config(config, config["encoder_conf"]["num_blocks"])
        torch.manual_seed(seed)
        model, _ = build_asr_model(config, reference_config)
        save_state(model.state_dict(), folder / "model.pth")
        text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
        write_text(folder / "config.yaml", text)
        meta = {"method": "untrained", "variant": "", "seed": seed, "shared": None}
        write_no_cost(folder)
        write_meta(folder, folder / "model.pth", meta)
