"""A training that is done once, goes on after a kill and is not mixed with another."""

import json
import logging
import os
from contextlib import contextmanager, nullcontext
from dataclasses import fields
from pathlib import Path
from typing import Any, Iterator, Optional

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.files import locked, write_json

__all__ = ["training_job"]


@contextmanager
def training_job(
    folder: Path, request: Any, first: bool = True
) -> Iterator[Optional[Path]]:
    """Run a training in ``folder`` unless the same one is finished there.

    What happens inside is also logged to ``train.log``.

    Args:
        folder: The experiment folder.
        request: Everything that decides what comes out: a dataclass of plain data,
            as in :mod:`espnet_plugin.jobs.requests`.
        first: Whether this process writes; of several that train together one does.

    Yields:
        The folder, or None if there is nothing to do.

    Raises:
        UserError: If something else was begun or finished there, or another run is at
            work there.
    """
    # Ranks on other machines share the folder; the first one keeps other runs out.
    first = first and _is_first_rank()
    with locked(folder, wait=False) if first else nullcontext():
        with _job(folder, request, first) as todo:
            yield todo


def _is_first_rank() -> bool:
    names = ("SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK")
    return all(os.environ.get(name, "0") == "0" for name in names)


def _as_read(request: Any) -> dict[str, Any]:
    """Return a request as it will be read from its file: tuples are lists."""
    content = {item.name: getattr(request, item.name) for item in fields(request)}
    return json.loads(json.dumps(content))


@contextmanager
def _job(folder: Path, request: Any, first: bool) -> Iterator[Optional[Path]]:
    experiment = Experiment(folder)
    wanted, known = _as_read(request), experiment.request()
    if known is not None:
        # A folder without a checkpoint holds nothing that could be lost or mixed, such
        # as one whose options were refused.
        if experiment.is_begun:
            # What an older version of this plugin did not note cannot be compared.
            differing = sorted(k for k in known if known[k] != wanted.get(k))
            if differing:
                raise UserError(
                    f"{folder} holds a training with another {', '.join(differing)} "
                    f"(see {experiment.request_file}): choose another --tag, or delete "
                    "the folder"
                )
        if experiment.is_finished:
            logging.info("%s is finished already", folder)
            yield None
            return
    if not first:
        yield folder
        return
    write_json(experiment.request_file, wanted)
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
            f"{folder}: {error}. Free some space, then run the stage again: it goes on "
            "from the last whole checkpoint"
        ) from error
    finally:
        root.removeHandler(handler)
        handler.close()
