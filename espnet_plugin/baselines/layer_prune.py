"""Remove the layers whose removal hurts least, then fine-tune the others."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Sequence

from espnet_plugin.baselines.job import BaselineJob
from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.experiment.meta import Meta
from espnet_plugin.files import read_json, write_json
from espnet_plugin.jobs.training_job import training_job
from espnet_plugin.pruning.layers import greedy_layers

__all__ = ["Options", "train"]

_LAYERS = "layers.json"


@dataclass(frozen=True)
class Options:
    """Options of the method.

    Attributes:
        max_utterances: Number of utterances of the development set on which layers are
            compared.
    """

    max_utterances: int = 500

    def __post_init__(self):
        if self.max_utterances < 1:
            raise UserError(f"max_utterances {self.max_utterances}: must be 1 or more")


@dataclass(frozen=True)
class SearchRequest:
    """The request of a search for layers.

    Attributes:
        reference: Digest of the reference's checkpoint.
        smallest: Number of layers at which the search ends.
        data: ESPnet's ``path, name, type`` of the development set.
        options: See :class:`Options`.
    """

    reference: Optional[str]
    smallest: int
    data: Sequence[Sequence[str]]
    options: dict[str, Any]


def train(job: BaselineJob, options: Options) -> list[Path]:
    """Choose layers once for all sizes, then fine-tune a model of each size.

    Raises:
        UserError: If there is no development set, or a folder holds a different result.
    """
    # The search down to the smallest size does not depend on the other sizes.
    shared = Path(f"{job.output}_search_{min(job.sizes)}l")
    chosen = _search(job, shared, options)
    return [
        job.fine_tune(
            size,
            job.reference.config(size),
            job.reference.layers_state(chosen[size]),
            kept_layers=tuple(chosen[size]),
            shared=shared.name,
        )
        for size in job.sizes
    ]


def _search(job: BaselineJob, folder: Path, options: Options) -> dict[int, list[int]]:
    data = _dev_data(job.data_options)
    request = SearchRequest(
        job.reference.sha256, min(job.sizes), data, dict(vars(options))
    )
    with training_job(folder, request) as todo:
        if todo is not None:
            _measure(job, folder, data, options)
        _write_meta(job, folder)
    kept = read_json(folder / _LAYERS)["kept"]
    return {size: kept[str(size)] for size in job.sizes}


def _measure(job: BaselineJob, folder: Path, data: list, options: Options) -> None:
    # Imported here, because ESPnet takes many seconds to import.
    from espnet_plugin.baselines.dev_loss import DevLoss
    from espnet_plugin.tasks.asr import seconds_per_input

    reference = job.reference
    model, args = load_asr_model(reference.config_file, reference.checkpoint)
    loss = DevLoss(
        model, args, data, seconds_per_input(args), most=options.max_utterances
    )
    sizes = [*job.sizes, *range(min(job.sizes), reference.num_layers + 1)]
    kept, history = greedy_layers(reference.num_layers, sizes, loss)
    logging.info("removed, in this order: %s", [step["removed"] for step in history])
    write_json(
        folder / _LAYERS,
        {"kept": {str(n): k for n, k in kept.items()}, "history": history},
    )
    cost: dict[str, Any] = {
        "train_seconds": loss.seconds,
        "audio_seconds": loss.audio_seconds,
        "flops": 0,
        "teacher_flops": loss.flops,
        "epochs": 0,
        "evaluations": loss.evaluations,
    }
    write_json(Experiment(folder).cost_file, cost)


def _write_meta(job: BaselineJob, folder: Path) -> None:
    experiment = Experiment(folder)
    before = experiment.find_meta() or Meta()
    sizes = sorted({*before.serves, *job.sizes}, reverse=True)
    experiment.write_meta(
        Meta(
            method=job.method,
            variant=job.variant,
            seed=job.seed,
            serves=tuple(sizes),
        )
    )


def _dev_data(options: tuple[str, ...]) -> list[list[str]]:
    """Return ESPnet's ``path, name, type`` of the development set.

    Raises:
        UserError: If the options name none.
    """
    name = "--valid_data_path_and_name_and_type"
    data = [
        value.split(",")
        for option, value in zip(options, options[1:])
        if option == name
    ]
    if not data:
        raise UserError(
            f"{name} is needed, because layers are chosen on the development set: give "
            "it"
        )
    return data
