"""Models of several sizes from one EncRL run, and an untrained reference."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

import torch

from espnet_plugin.checkpoints.audio_scale import audio_scale, noted_scale
from espnet_plugin.checkpoints.config_files import resolve_paths
from espnet_plugin.checkpoints.load import build_asr_model
from espnet_plugin.checkpoints.plain import config_with_exits, plain_config, plain_state
from espnet_plugin.distill.students import choose_layers
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.config import read_config
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.experiment.meta import Meta
from espnet_plugin.files import file_checksum
from espnet_plugin.jobs.models import PlainModel, export_once
from espnet_plugin.jobs.plain import averaged_file, fine_tune
from espnet_plugin.jobs.requests import CutRequest, DirectRequest, UntrainedRequest
from espnet_plugin.shape import Shape
from espnet_plugin.tasks.ranks import is_first

__all__ = [
    "export_direct",
    "finetune_family",
    "finetune_together",
    "layers_of_run",
    "write_untrained",
]


@dataclass(frozen=True)
class _Source:
    """A checkpoint from which models are made by choosing layers.

    Attributes:
        config: Configuration of its model.
        checkpoint: Path of the checkpoint.
        variant: Name of the variant in the tables.
        seed: Seed of the EncRL run.
        audio_scale: Scale of the samples on which it was trained; None: [-1, 1].
        width: Width of the encoder if the size names one; None: the reference's.
    """

    config: Mapping[str, Any]
    checkpoint: Path
    variant: str
    seed: Optional[int]
    audio_scale: Optional[float] = None
    width: Optional[int] = None

    @cached_property
    def sha256(self) -> str:
        return file_checksum(self.checkpoint)

    @property
    def num_layers(self) -> int:
        return self.config["encoder_conf"]["num_blocks"]

    def model(self, layers: Sequence[int], meta: Meta) -> PlainModel:
        """Return the plain model that has these layers."""
        state = plain_state(self.checkpoint, layers)
        meta = meta.but(audio_scale=self.audio_scale, size_width=self.width)
        return PlainModel(plain_config(self.config, layers), state, meta)


def _encrl_run(encrl_dir: Path) -> _Source:
    run = Experiment(encrl_dir)
    run.require_finished("stage 5 (EncRL)")
    meta = run.meta()
    config = resolve_paths(run.config(), run.config_file)
    scale = noted_scale(audio_scale(encrl_dir, config))
    return _Source(
        config, run.encrl_file, meta.variant, meta.seed, scale, meta.size_width
    )


def layers_of_run(encrl_dir: Path, sizes: Sequence[Shape]) -> list[int]:
    """Return the numbers of layers of sizes, after checking their widths.

    Args:
        encrl_dir: Folder of a finished EncRL run.
        sizes: Sizes of the models that are to be made from it.

    Raises:
        UserError: If the run is not finished or has a different width.
    """
    run = Experiment(encrl_dir)
    run.require_finished("stage 5 (EncRL)")
    width = run.meta().size_width
    for size in sizes:
        if size.width != width:
            there = "the reference's width" if width is None else f"width {width}"
            raise UserError(
                f"--sizes {size}: {encrl_dir} was trained with {there}: choose sizes "
                "of that width, or run stage 5 with this size first"
            )
    return [size.layers for size in sizes]


def _fine_tune(
    folder: Path,
    source: _Source,
    layers: Sequence[int],
    config: Mapping[str, Any],
    options: Sequence[str],
    meta: Meta,
) -> None:
    """Fine-tune some layers of a source, unless that is done already."""
    experiment = Experiment(folder)
    if is_first(options) and experiment.is_finished:
        known = experiment.find_meta()
        if known is None:
            raise UserError(
                f"{folder} is finished, but its {experiment.meta_file.name} is "
                "missing: bring it back, or delete the folder to train again"
            )
        if known.encrl_sha256 != source.sha256:
            raise UserError(
                f"{folder} was fine-tuned from a different training, not from "
                f"{source.checkpoint}: delete the folder, or choose another --tag"
            )
    fine_tune(
        folder,
        plain_config(source.config, layers),
        lambda: plain_state(source.checkpoint, layers),
        config,
        options,
        meta.but(encrl_sha256=source.sha256, size_width=source.width),
    )


def finetune_family(
    encrl_dir: Path,
    sizes: Sequence[int],
    how: str,
    training: Mapping[str, Any],
    options: Sequence[str],
    output: str,
    seed: int,
) -> None:
    """Fine-tune a model of each size with CTC, step 2 of the EncRL paper.

    Args:
        encrl_dir: Folder of a finished EncRL run.
        sizes: Numbers of encoder layers.
        how: Layers of the EncRL student that a smaller model gets: ``last`` (as in the
            paper), ``first`` or ``spaced``.
        training: Training configuration: optimiser, schedule, batches, SpecAugment.
        options: ESPnet's options for the data.
        output: Prefix of the folders; ``_<n>l`` is added.
        seed: Seed of the fine-tuning.

    Raises:
        UserError: If the EncRL run is not finished, it has fewer layers than a size, or
            a folder holds a different training.
    """
    source = _encrl_run(encrl_dir)
    # All sizes are checked before the first training, which may take hours.
    chosen = {size: choose_layers(source.num_layers, size, how) for size in sizes}
    for size, layers in chosen.items():
        meta = Meta(
            method="encrl",
            variant=source.variant,
            seed=seed,
            shared=encrl_dir.name,
            kept_layers=tuple(layers),
        )
        _fine_tune(
            Path(f"{output}_{Shape(size, source.width)}l"),
            source,
            layers,
            {**plain_config(source.config, layers), **training},
            [*options, "--seed", str(seed)],
            meta,
        )


def finetune_together(
    encrl_dir: Path,
    sizes: Sequence[int],
    training: Mapping[str, Any],
    options: Sequence[str],
    output: str,
    seed: int,
    alone: Optional[Mapping[int, int]] = None,
) -> None:
    """Fine-tune all sizes in the same steps and cut the models out afterwards.

    A smaller model has the first layers of the larger ones; see
    :func:`espnet_plugin.checkpoints.plain.config_with_exits`. This costs accuracy, so
    ``alone`` can train a size further after it is cut out.

    Args:
        encrl_dir: Folder of a finished EncRL run of the largest size.
        sizes: Numbers of encoder layers.
        training: Training configuration: optimiser, schedule, batches, SpecAugment.
        options: ESPnet's options for the data.
        output: Prefix of the folders; ``_<n>l`` is added, and ``_family`` for the
            training of all sizes.
        seed: Seed of the fine-tuning.
        alone: Number of epochs, by size, for which a model is trained further after it
            is cut out.

    Raises:
        UserError: If the EncRL run is not finished, a folder holds a different
            training, or ``alone`` has another size or less than 1 epoch.
    """
    source = _encrl_run(encrl_dir)
    sizes = sorted(sizes, reverse=True)
    alone = alone or {}
    for size, epochs in alone.items():
        if size not in sizes or epochs < 1:
            raise UserError(
                f"--alone {size}:{epochs}: must be one of the sizes {sizes} with at "
                "least 1 epoch"
            )
    layers = choose_layers(source.num_layers, sizes[0], "first")
    together = Path(f"{output}_family")
    options = [*options, "--seed", str(seed)]
    exits = config_with_exits(plain_config(source.config, layers), sizes)
    meta = Meta(
        method="encrl_finetune",
        variant=source.variant,
        seed=seed,
        serves=tuple(sizes),
        after=encrl_dir.name,
    )
    _fine_tune(together, source, layers, {**exits, **training}, options, meta)
    # The norm after the last layer is also applied to the output of each exit.
    trained = _Source(
        source.config,
        averaged_file(together, training, ctc_alone=True),
        source.variant,
        seed,
        source.audio_scale,
        source.width,
    )
    for size in sizes:
        _one_of_family(trained, together, size, alone, training, options, output)


def _one_of_family(
    trained: _Source,
    together: Path,
    size: int,
    alone: Mapping[int, int],
    training: Mapping[str, Any],
    options: Sequence[str],
    output: str,
) -> None:
    """Cut a model out of the training of all sizes, and train it further if asked."""
    folder = Path(f"{output}_{Shape(size, trained.width)}l")
    layers = list(range(size))
    meta = Meta(
        method="encrl",
        variant=trained.variant,
        seed=trained.seed,
        shared=together.name,
        kept_layers=tuple(layers),
    )
    if size in alone:
        config = {**plain_config(trained.config, layers), **training}
        config["max_epoch"] = alone[size]
        _fine_tune(folder, trained, layers, config, options, meta)
    elif is_first(options):
        # Its only cost is that of the training from which it is cut.
        request = CutRequest(together.name, size, trained.sha256)
        export_once(folder, request, lambda: trained.model(layers, meta))


def export_direct(
    encrl_dir: Path,
    sizes: Sequence[int],
    how: str,
    output: str,
    method: str = "encrl_direct",
) -> None:
    """Write the models of an EncRL run without fine-tuning.

    Args:
        encrl_dir: Folder of a finished EncRL run.
        sizes: Numbers of encoder layers.
        how: Layers of the EncRL student that a smaller model gets: ``last``, ``first``
            or ``spaced``.
        output: Prefix of the folders; ``_<n>l`` is added.
        method: Name of the method in the tables.

    Raises:
        UserError: If the EncRL run is not finished, it has fewer layers than a size, or
            a folder holds a training.
    """
    source = _encrl_run(encrl_dir)
    for size in sizes:
        layers = choose_layers(source.num_layers, size, how)
        meta = Meta(
            method=method,
            variant=source.variant,
            seed=source.seed,
            shared=encrl_dir.name,
            kept_layers=tuple(layers),
        )
        # Its only cost is that of the run from which it is cut.
        export_once(
            Path(f"{output}_{Shape(size, source.width)}l"),
            DirectRequest(encrl_dir.name, layers, source.sha256),
            lambda layers=layers, meta=meta: source.model(layers, meta),
        )


def write_untrained(reference_config: Path, folder: Path, seed: int) -> None:
    """Write a reference with random weights, the negative control of EncRL.

    Args:
        reference_config: Configuration with architecture, tokens and statistics.
        folder: Receives ``config.yaml``, ``model.pth`` and ``meta.json``.
        seed: Seed of the random weights.
    """

    def make() -> PlainModel:
        config = resolve_paths(read_config(reference_config), reference_config)
        config = plain_config(config, config["encoder_conf"]["num_blocks"])
        torch.manual_seed(seed)
        model, _ = build_asr_model(config, reference_config)
        meta = Meta(method="untrained", seed=seed)
        return PlainModel(config, model.state_dict(), meta)

    export_once(folder, UntrainedRequest(str(reference_config), seed), make)
