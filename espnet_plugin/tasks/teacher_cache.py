"""Fill the cache of a teacher's outputs from ESPnet's data options."""

import argparse
import random
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping, Protocol, Sequence, Type

import numpy as np
import torch
import torch.distributed as dist
from espnet2.tasks.abs_task import AbsTask
from espnet2.torch_utils.device_funcs import to_device
from espnet2.train.distributed_utils import DistributedOption

from espnet_plugin.cost.log import CostLog, FlopModel
from espnet_plugin.data.content import CACHE, Contents
from espnet_plugin.distill.cache import (
    CachedTeacher,
    data_checksum,
    valid_name,
    write_cache,
)
from espnet_plugin.distill.options import DTYPES
from espnet_plugin.distill.store import OutputStore
from espnet_plugin.distill.store_format import DONE, check_folder
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.experiment.meaning import with_meaning
from espnet_plugin.files import file_checksum, locked, read_record
from espnet_plugin.tasks.cache_options import CacheOptions
from espnet_plugin.tensors.ranks import is_distributed

__all__ = ["Student", "TrainingBatches", "store_teacher", "training_batches"]

_PATIENCE = timedelta(days=30)
_COSTS = ("train_seconds", "cpu_seconds", "audio_seconds", "teacher_flops")


@dataclass(frozen=True)
class TrainingBatches:
    """ESPnet's batches of one epoch over training and development data.

    Attributes:
        loaders: ESPnet's loaders of the training set and of the development set. Their
            items are ids and batches.
        device: Device to which the batches are moved.
        valid_names: See :class:`~espnet_plugin.distill.cache.CachedTeacher`.
    """

    loaders: tuple[Any, ...]
    device: str
    valid_names: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(len(loader) for loader in self.loaders)

    def __iter__(self) -> Iterator[tuple[Sequence[str], dict[str, torch.Tensor]]]:
        for number, loader in enumerate(self.loaders):
            renamed = self.valid_names if number else {}
            for names, batch in loader:
                names = [renamed.get(name, name) for name in names]
                yield names, to_device(batch, self.device)


def training_batches(task: Type[AbsTask], args: argparse.Namespace) -> TrainingBatches:
    """Return the batches that the training uses, for all data.

    The same batches are used because the last frames of an utterance depend slightly on
    its padding.

    Args:
        task: The task that makes the batches.
        args: ESPnet's options of the training.
    """
    # All utterances, without the data selection of the first epoch.
    args = argparse.Namespace(**{**vars(args), "data_selection_conf": {}})
    loaders = tuple(
        task.build_iter_factory(
            args, DistributedOption(), mode, kwargs={"num_iters_per_epoch": None}
        ).build_iter(1, shuffle=False)
        for mode in ("train", "valid")
    )
    return TrainingBatches(loaders, "cuda" if args.ngpu > 0 else "cpu")


class Student(Protocol):
    """A model that learns from a teacher, as the tasks build it.

    Attributes:
        teacher: The frozen reference.
        seconds_per_input: See ``espnet_plugin.tasks.asr``.
    """

    teacher: Any
    seconds_per_input: float

    def attach_teacher(self, teacher: Any) -> None:
        """Set the teacher."""


def store_teacher(
    model: Student,
    cache: CacheOptions,
    batches: Callable[[], TrainingBatches],
    single_frames: Sequence[str] = (),
) -> None:
    """Replace the student's teacher by its stored outputs; compute these if necessary.

    Their full cost is written to the ``cost.json`` of the run, whether they were
    computed now or for an earlier run. So the cost of a run does not depend on other
    runs.

    Args:
        model: The student with its teacher; changed in place.
        cache: Options of the cache.
        batches: Function that returns the training's batches; called if the cache is
        empty.
        single_frames: Names of the objectives that need the encoding of every frame. It
            is only stored if there are any.

    Raises:
        UserError: If the audio changes from epoch to epoch, or the folder holds
            something else, or a cache with other inputs, with another number of tokens
            or without the needed encodings.
    """
    for option in cache.changing:
        raise UserError(
            f"--teacher_cache and --{option} cannot be combined: in every epoch the "
            "student would get different audio from the reference; remove one of the "
            "two"
        )
    check_folder(cache.folder)
    if cache.top < 0:
        raise UserError(
            f"--teacher_cache_top {cache.top}: must be a number of tokens, or 0 for all"
        )
    made_of, valid_names = _made_of(cache)
    # One rank computes and the others read. This may take days, but the default timeout
    # of a group is minutes. A lost rank is still noticed immediately.
    if is_distributed():
        patient = dist.new_group(backend="gloo", timeout=_PATIENCE)
    if not is_distributed() or dist.get_rank() == 0:
        # Several trainings of a table may need it at the same time.
        with locked(cache.folder), _same_random_numbers():
            if not read_record(cache.folder / DONE):
                named = replace(batches(), valid_names=valid_names)
                _fill(cache, made_of, model, named, bool(single_frames))
    if is_distributed():
        dist.barrier(patient)
    store = OutputStore(cache.folder, made_of)
    # Without the option, a store of any number of tokens is used.
    if cache.top and cache.top != store.top:
        raise UserError(
            f"--teacher_cache_top {cache.top}: {cache.folder} stores "
            f"{store.top or 'all'} tokens of each frame: give another folder with "
            "--teacher_cache, or leave the option out"
        )
    if single_frames and not store.has_encodings:
        raise UserError(
            f"--teacher_cache {cache.folder} only holds the mean of the reference's "
            f"encodings over each utterance, but {', '.join(single_frames)} needs "
            "those of single frames: give another folder, or delete this one"
        )
    if not is_distributed() or dist.get_rank() == 0:
        CostLog(Experiment(cache.output_dir).cost_file).add_once(
            "teacher_cache",
            made_of=store.digest,
            # Stores of earlier versions did not note all of them.
            **{name: store.figures[name] for name in _COSTS if name in store.figures},
        )
    model.attach_teacher(CachedTeacher(store, valid_names))


@contextmanager
def _same_random_numbers() -> Iterator[None]:
    """Keep the random numbers of the training the same as without a cache."""
    python, array = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        yield
    random.setstate(python)
    np.random.set_state(array)


def _made_of(cache: CacheOptions) -> tuple[dict[str, str], dict[str, str]]:
    """Return the inputs of the outputs, by name, and the renamed utterances.

    Raises:
        UserError: If a store of an earlier version mixes up utterances with the same
        id.
    """
    reference, data = cache.reference, cache.data
    train, valid = (
        [(path, kind) for path, name, kind in part if name == "speech"]
        for part in (data.train, data.valid)
    )
    contents = Contents(cache.folder / CACHE)
    heard = contents.utterances(*train[0])
    twice = {
        name: valid_name(name)
        for name, digest in contents.utterances(*valid[0]).items()
        if heard.get(name, digest) != digest
    }
    made_of = {
        "reference": file_checksum(reference.model_file),
        "configuration": with_meaning(
            file_checksum(reference.config), reference.config
        ),
    }
    if "data" in OutputStore.recorded_inputs(cache.folder):  # of an earlier version
        made_of["data"] = data_checksum([Path(path) for path, _ in train + valid])
        if twice:
            raise UserError(
                f"{cache.folder}: {next(iter(twice))} and {len(twice) - 1} more stand "
                "for different audio in the development set and in the training set, "
                "but this cache, made by an earlier version, holds only one of the "
                "two: delete it"
            )
    else:
        made_of["training audio"] = contents.table(*train[0])
        made_of["development audio"] = contents.table(*valid[0])
    contents.save()
    if reference.dtype != "float32":  # older caches are in single precision
        made_of["precision"] = str(DTYPES[reference.dtype])
    return made_of, twice


def _fill(
    cache: CacheOptions,
    made_of: dict[str, str],
    model: Student,
    batches: TrainingBatches,
    encodings: bool,
) -> None:
    teacher, seconds_per_input = model.teacher, model.seconds_per_input
    total = sum(
        float(line.split()[1].split(",")[0])
        for path in (cache.data.train_shapes[0], cache.data.valid_shapes[0])
        for line in Path(path).read_text(encoding="utf-8").splitlines()
    )

    def count(utterances: int, seconds: float) -> tuple[int]:
        frames = max(1, round(seconds / seconds_per_input))
        shape = (utterances, frames, *example["speech"].shape[2:])
        generator = torch.Generator().manual_seed(0)
        speech = torch.randn(shape, generator=generator).to(example["speech"])
        teacher.counting, teacher.flops = True, 0
        try:
            teacher(speech, torch.full((utterances,), frames).to(speech.device))
            return (teacher.flops,)
        finally:
            teacher.counting = False

    _, example = next(iter(batches))
    flops = FlopModel(count)
    write_cache(
        cache.folder,
        made_of,
        teacher,
        batches,
        len(batches),
        total * seconds_per_input,
        seconds_per_input,
        lambda utterances, seconds: flops(utterances, seconds)[0],
        cache.top,
        encodings,
    )
