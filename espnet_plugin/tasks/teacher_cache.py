"""Filling the cache of a teacher's outputs from ESPnet's data options."""

import argparse
import random
from contextlib import contextmanager
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Iterator, Type

import numpy as np
import torch
import torch.distributed as dist
from espnet2.tasks.abs_task import AbsTask
from espnet2.torch_utils.device_funcs import to_device
from espnet2.train.distributed_utils import DistributedOption

from espnet_plugin.cost.log import CostLog, FlopModel
from espnet_plugin.distill.cache import data_checksum, write_cache
from espnet_plugin.distill.store import OutputStore
from espnet_plugin.distill.teacher import FrozenTeacher
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.files import file_checksum, locked
from espnet_plugin.tasks.selection import read_selection
from espnet_plugin.tensors.ranks import is_distributed

__all__ = ["build_cache"]

_PATIENCE = timedelta(days=30)
_COSTS = ("train_seconds", "cpu_seconds", "audio_seconds", "teacher_flops")


def build_cache(
    task: Type[AbsTask],
    args: argparse.Namespace,
    teacher: FrozenTeacher,
    seconds_per_input: float,
) -> OutputStore:
    """Return the outputs of the teacher for training and development data.

    What they cost is written to the run's ``cost.json`` in full, whether they were
    computed now or for an earlier run: a run's cost does not depend on the others'.

    Args:
        task: Whose batches they are.
        args: Of the training.
        teacher: The reference.
        seconds_per_input: See :mod:`espnet_plugin.tasks.asr`.

    Raises:
        UserError: If the audio changes from epoch to epoch, or the folder holds a cache
            of something else.
    """
    selection = read_selection(args)
    changes = [
        o for o in ("rir_scp", "noise_scp") if getattr(args, o, None) is not None
    ]
    if selection is not None and selection.keep_time < 1:
        changes.append("data_selection_conf keep_time")
    for option in changes:
        raise UserError(
            f"--teacher_cache and --{option}: the student would hear other audio in "
            "every epoch than the reference did; leave one out"
        )
    folder = Path(args.teacher_cache)
    made_of = {
        "reference": file_checksum(Path(args.reference_model_file)),
        "configuration": file_checksum(Path(args.reference_config)),
        "data": data_checksum(
            [
                Path(path)
                for path, name, _ in (
                    *args.train_data_path_and_name_and_type,
                    *args.valid_data_path_and_name_and_type,
                )
                if name == "speech"
            ]
        ),
    }
    if teacher.dtype != torch.float32:  # What older caches say means single precision.
        made_of["precision"] = str(teacher.dtype)
    # One rank computes, the others read what it wrote. That may take days, and a
    # group's own patience ends after minutes; a lost rank is noticed at once here too.
    if is_distributed():
        patient = dist.new_group(backend="gloo", timeout=_PATIENCE)
    if not is_distributed() or dist.get_rank() == 0:
        # Several trainings of a table may want it at the same time.
        with locked(folder), _same_random_numbers():
            _fill(folder, made_of, task, args, teacher, seconds_per_input)
    if is_distributed():
        dist.barrier(patient)
    store = OutputStore(folder, made_of)
    if not is_distributed() or dist.get_rank() == 0:
        CostLog(Experiment(args.output_dir).cost_file).add_once(
            "teacher_cache",
            # Stores of earlier versions did not note all of them.
            **{name: store.figures[name] for name in _COSTS if name in store.figures},
        )
    return store


@contextmanager
def _same_random_numbers() -> Iterator[None]:
    """Leave the training its random numbers, so that it goes as with a live teacher."""
    python, array = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        yield
    random.setstate(python)
    np.random.set_state(array)


def _fill(
    folder: Path,
    made_of: dict,
    task: Type[AbsTask],
    args: argparse.Namespace,
    teacher: FrozenTeacher,
    seconds_per_input: float,
) -> None:
    if (folder / "done.json").is_file():
        return
    # Everything, whatever the first epoch would choose.
    args = argparse.Namespace(**{**vars(args), "data_selection_conf": {}})
    device = "cuda" if args.ngpu > 0 else "cpu"
    # The batches of the training itself: what an utterance's last frames are depends,
    # by a hair, on the padding behind it.
    loaders = [
        task.build_iter_factory(
            args, DistributedOption(), mode, kwargs={"num_iters_per_epoch": None}
        ).build_iter(1, shuffle=False)
        for mode in ("train", "valid")
    ]
    total = sum(
        float(line.split()[1].split(",")[0])
        for path in (args.train_shape_file[0], args.valid_shape_file[0])
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

    example = to_device(next(iter(loaders[0]))[1], device)
    flops = FlopModel(count)
    write_cache(
        folder,
        made_of,
        teacher,
        ((names, to_device(batch, device)) for names, batch in chain(*loaders)),
        sum(len(loader) for loader in loaders),
        total * seconds_per_input,
        seconds_per_input,
        lambda utterances, seconds: flops(utterances, seconds)[0],
        args.teacher_cache_top,
    )
