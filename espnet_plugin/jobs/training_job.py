"""A job in a folder: run once, resumed if interrupted, refused if inputs differ."""

import json
import logging
import os
from contextlib import contextmanager, nullcontext
from dataclasses import fields
from pathlib import Path
from typing import Any, Iterator, Mapping, Optional

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.files import flush_folder, locked, write_json
from espnet_plugin.jobs.another_folder import another_folder
from espnet_plugin.jobs.inputs import (
    difference,
    digests_beside,
    is_same_kind,
    job_inputs,
)
from espnet_plugin.terminal import logged_in

__all__ = ["training_job"]


@contextmanager
def training_job(
    folder: Path, request: Any, first: bool = True, again: bool = False
) -> Iterator[Optional[Path]]:
    """Run a job in ``folder`` unless its result is already there.

    All log messages of the job are also written to ``train.log``.

    Args:
        folder: The experiment folder.
        request: Everything that determines the result: a dataclass of plain data, as in
            :mod:`espnet_plugin.jobs.requests`.
        first: Whether this process writes; of several that train together, one does.
        again: Make the result again if its inputs have changed, instead of refusing to.
            This is for results that need no training.

    Yields:
        The folder, or None if there is nothing to do.

    Raises:
        UserError: If the folder holds a result or an unfinished training with different
            inputs, another run is using it, or the disk is full.
    """
    if _is_there(folder, request):
        # Nothing is written, so the folder may be one that can only be read.
        yield None
        return
    # Ranks on other machines share the folder; the first one keeps other runs out.
    first = first and _is_first_rank()
    with locked(folder, wait=False) if first else nullcontext():
        with _job(folder, request, first, again) as todo:
            yield todo


def _is_there(folder: Path, request: Any) -> bool:
    """Return whether the folder holds the finished result, and log it."""
    experiment = Experiment(folder)
    known = _known(experiment)
    if known is None or not experiment.is_finished:
        return False
    contents = digests_beside(folder)
    differing, _ = difference(known, request, contents)
    contents.save()
    if differing is None:
        logging.info("%s is already finished%s", folder, _how_sure(known))
    return differing is None


def _known(experiment: Experiment) -> Optional[dict[str, Any]]:
    """Return the request of an earlier run; None if nothing is there.

    Raises:
        UserError: If it is damaged and there are checkpoints, of which nobody can tell
            any more what they were made from.
    """
    try:
        return experiment.request()
    except UserError as error:
        if not experiment.is_begun:  # emptied by a power cut, and nothing to lose
            return None
        raise UserError(
            f"{experiment.request_file} is damaged, so it is unknown from which "
            f"inputs {experiment.folder} was made: bring the file back, or delete the "
            f"folder to make it again ({error})"
        ) from error


def _is_first_rank() -> bool:
    names = ("SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK")
    return all(os.environ.get(name, "0") == "0" for name in names)


def _as_read(request: Any) -> dict[str, Any]:
    """Return a request as it is read from its file, with lists instead of tuples."""
    content = {item.name: getattr(request, item.name) for item in fields(request)}
    return json.loads(json.dumps(content))


@contextmanager
def _job(
    folder: Path, request: Any, first: bool, again: bool
) -> Iterator[Optional[Path]]:
    experiment = Experiment(folder)
    known = _known(experiment)
    contents = digests_beside(folder)
    differing = None
    if known is None:
        wanted = job_inputs(request, contents)
    else:
        differing, wanted = difference(known, request, contents)
    contents.save()
    # A folder without a checkpoint has nothing to lose, for example one whose options
    # were refused.
    if known is not None and experiment.is_begun:
        if differing is not None and not (again and is_same_kind(known, request)):
            raise UserError(
                f"{folder} holds {_what(experiment)} with different inputs: "
                f"{differing}; {experiment.request_file} lists them all. Delete the "
                f"folder, or {another_folder(request)}"
            )
        if differing is not None:
            logging.info(
                "%s is made again, because its inputs have changed: %s",
                *(folder, differing),
            )
            # Neither may stand beside a model that is only half of this kind.
            for path in (experiment.done_file, experiment.meta_file):
                path.unlink(missing_ok=True)
        elif experiment.is_finished:
            # Another process has finished it since the first look.
            logging.info("%s is already finished", folder)
            yield None
            return
        else:
            logging.info("%s: resuming the interrupted run", folder)
    elif first:
        logging.info("%s: starting; everything is logged in train.log", folder)
    if not first:
        yield folder
        return
    write_json(experiment.request_file, {**_as_read(request), "inputs": wanted})
    try:
        with logged_in(experiment.train_log):
            yield folder
        flush_folder(folder)
        write_json(experiment.done_file, {"finished": True})
    except FileNotFoundError:
        raise
    except (OSError, RuntimeError) as error:
        # torch.save on a full disk raises a RuntimeError that names its zip writer.
        if isinstance(error, RuntimeError) and "inline_container" not in str(error):
            raise
        raise UserError(
            f"{folder}: {error}. Free some space, then run the stage again: it resumes "
            "from the last complete checkpoint, or from the start if there is none yet"
        ) from error


def _what(experiment: Experiment) -> str:
    return "a result" if experiment.is_finished else "an unfinished training"


def _how_sure(known: Mapping[str, Any]) -> str:
    if "inputs" in known:
        return ""
    return (
        "; an earlier version made it and did not record the content of the data, so "
        "only options and names were compared"
    )
