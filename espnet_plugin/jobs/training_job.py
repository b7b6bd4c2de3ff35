"""A training that is done once, resumes after a kill and is not mixed with another."""

import json
import logging
import os
from contextlib import contextmanager, nullcontext
from dataclasses import fields
from pathlib import Path
from typing import Any, Iterator, Mapping, Optional

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.files import locked, write_json
from espnet_plugin.jobs.inputs import (
    difference,
    digests_beside,
    is_same_kind,
    job_inputs,
)

__all__ = ["training_job"]


@contextmanager
def training_job(
    folder: Path, request: Any, first: bool = True, again: bool = False
) -> Iterator[Optional[Path]]:
    """Run a training in ``folder`` unless the same one is finished there.

    What happens inside is also logged to ``train.log``.

    Args:
        folder: The experiment folder.
        request: Everything that decides what comes out: a dataclass of plain data,
            as in :mod:`espnet_plugin.jobs.requests`.
        first: Whether this process writes; of several that train together one does.
        again: The result costs nothing but what it is cut from, so it is made again
            where that has changed, and not refused.

    Yields:
        The folder, or None if there is nothing to do.

    Raises:
        UserError: If something else was begun or finished there, or another run is at
            work there.
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
    """Whether the same result is finished, which is said."""
    experiment = Experiment(folder)
    known = experiment.request()
    if known is None or not experiment.is_finished:
        return False
    contents = digests_beside(folder)
    differing, _ = difference(known, request, contents)
    contents.save()
    if differing is None:
        logging.info("%s is finished already%s", folder, _how_sure(known))
    return differing is None


def _is_first_rank() -> bool:
    names = ("SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK")
    return all(os.environ.get(name, "0") == "0" for name in names)


def _as_read(request: Any) -> dict[str, Any]:
    """Return a request as it will be read from its file: tuples are lists."""
    content = {item.name: getattr(request, item.name) for item in fields(request)}
    return json.loads(json.dumps(content))


@contextmanager
def _job(
    folder: Path, request: Any, first: bool, again: bool
) -> Iterator[Optional[Path]]:
    experiment = Experiment(folder)
    known = experiment.request()
    contents = digests_beside(folder)
    differing = None
    if known is None:
        wanted = job_inputs(request, contents)
    else:
        differing, wanted = difference(known, request, contents)
    contents.save()
    # A folder without a checkpoint holds nothing that could be lost or mixed, such as
    # one whose options were refused.
    if known is not None and experiment.is_begun:
        if differing is not None and not (again and is_same_kind(known, request)):
            raise UserError(
                f"{folder} holds {_what(experiment)} with another {differing}; see "
                f"{experiment.request_file}: choose "
                "another --expdir (in stages 5 and 6 --tag, in stage 4 "
                "--reference_exp), or delete the folder"
            )
        if differing is not None:
            logging.info("%s is made again: another %s", folder, differing)
            experiment.done_file.unlink(missing_ok=True)
        elif experiment.is_finished:
            # By another process, since it was last looked at.
            logging.info("%s is finished already", folder)
            yield None
            return
        else:
            logging.info(
                "%s was started before with the same inputs: resuming it", folder
            )
    elif first:
        logging.info("%s is started for the first time", folder)
    if not first:
        yield folder
        return
    write_json(experiment.request_file, {**_as_read(request), "inputs": wanted})
    handler = logging.FileHandler(experiment.train_log)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield folder
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
    finally:
        root.removeHandler(handler)
        handler.close()


def _what(experiment: Experiment) -> str:
    return "a result" if experiment.is_finished else "an unfinished training"


def _how_sure(known: Mapping[str, Any]) -> str:
    if "inputs" in known:
        return ""
    return (
        " (it was made by an earlier version, which did not record the content of "
        "the data; options and names are the same)"
    )
