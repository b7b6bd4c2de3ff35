"""A training that is done once, goes on after a kill and is not mixed with another."""

import json
import logging
import os
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Iterator, Optional

import yaml

from espnet_plugin.errors import UserError
from espnet_plugin.files import locked, read_json, write_json

__all__ = ["is_finished", "read_yaml", "training_job"]

_REQUEST, _DONE = "request.json", "done.json"


def read_yaml(path: Path, option: str = "--config") -> dict:
    """Read a configuration file.

    Raises:
        UserError: If it is missing or holds no keys.
    """
    if not path.is_file():
        raise UserError(f"{option} {path} is missing")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise UserError(f"{option} {path} is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise UserError(f"{option} {path} holds no keys")
    return content


def is_finished(folder: Path) -> bool:
    """Whether the training in a folder of `training_job` came to its end."""
    return (folder / _DONE).is_file()


@contextmanager
def training_job(
    folder: Path, request: dict, first: bool = True
) -> Iterator[Optional[Path]]:
    """Run a training in ``folder`` unless the same one is finished there.

    What happens inside is also logged to ``train.log``.

    Args:
        folder: The experiment folder.
        request: Everything that decides what comes out, as plain data.
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


@contextmanager
def _job(folder: Path, request: dict, first: bool) -> Iterator[Optional[Path]]:
    known = folder / _REQUEST
    request = json.loads(json.dumps(request))  # as it will be read: tuples are lists
    if known.is_file():
        old = read_json(known)
        # A folder without a checkpoint holds nothing that could be lost or mixed, such
        # as one whose options were refused.
        begun = is_finished(folder) or any(folder.glob("*.pth"))
        if begun:
            # What an older version of this plugin did not note cannot be compared.
            differing = sorted(k for k in old if old[k] != request.get(k))
            if differing:
                raise UserError(
                    f"{folder} holds a training with another {', '.join(differing)} "
                    f"(see {known}): choose another --tag, or delete the folder"
                )
        if is_finished(folder):
            logging.info("%s is finished already", folder)
            yield None
            return
    if not first:
        yield folder
        return
    write_json(known, request)
    handler = logging.FileHandler(folder / "train.log")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield folder
        write_json(folder / _DONE, {"finished": True})
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
