"""What is known of earlier runs of a job: done with what, how long it took."""

import datetime
import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Mapping, Optional, Sequence

from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.files import write_json
from espnet_plugin.runs.plan import Job

__all__ = ["Record", "Records", "inputs_of"]


@dataclass(frozen=True)
class Record:
    """How a job ended the last time.

    Attributes:
        command: The call, a word each.
        inputs: Digests of what all jobs read, see `inputs_of`.
        after: When the jobs it depends on had finished.
        finished: When it ended, with its date.
        seconds: All attempts with the same command and inputs together.
        ok: Whether it succeeded.
    """

    command: tuple[str, ...]
    inputs: Mapping[str, str]
    after: Mapping[str, str]
    finished: str
    seconds: float
    ok: bool


class Records:
    """The records of a recipe folder, a small file for each job.

    Args:
        recipe: The recipe's folder.
        expdir: Where models are, relative to it.
        name: Folder of the records and logs in ``expdir``.
    """

    def __init__(self, recipe: Path, expdir: Path, name: str = "runs"):
        self.recipe, self.expdir = recipe, expdir
        self.folder = recipe / expdir / name

    def find(self, name: str) -> Optional[Record]:
        """Return what is known of a job; None if there is nothing that can be read."""
        try:
            content = json.loads((self.folder / f"{name}.json").read_text())
            content["command"] = tuple(content["command"])
            record = Record(**content)
        except (OSError, ValueError, TypeError, KeyError):
            return None
        whole = isinstance(record.inputs, dict) and isinstance(record.after, dict)
        number = isinstance(record.seconds, (int, float))
        return record if whole and number else None

    def write(self, job: Job, record: Record) -> None:
        """Keep a record."""
        write_json(self.folder / f"{job.name}.json", asdict(record))

    def log(self, job: Job) -> Path:
        """Return the path of a job's log."""
        return self.folder / f"{job.name}.log"

    def due(
        self, job: Job, command: Sequence[str], inputs: Mapping[str, str]
    ) -> Optional[str]:
        """Return why a job has to run, None if it is finished.

        Args:
            job: The job.
            command: Its call, as it would be now.
            inputs: See `inputs_of`.
        """
        found = self.find(job.name)
        if found is None:
            return "not run yet"
        if not found.ok:
            return "failed"
        if found.command != tuple(command):
            return f"other options{_first_other(found.command, tuple(command))}"
        for name, digest in inputs.items():
            if found.inputs.get(name) != digest:
                return f"other {name}"
        for name in job.after:
            before = self.find(name)
            if before is None or found.after.get(name) != before.finished:
                return f"after {name}, which ran again"
        for pattern in job.leaves:
            folder = self.recipe / (job.expdir or self.expdir)
            if not any(Experiment(path).find_meta() for path in folder.glob(pattern)):
                return f"{pattern} does not exist any more"
        return None

    def ended(
        self,
        job: Job,
        command: Sequence[str],
        inputs: Mapping[str, str],
        seconds: float,
        ok: bool,
    ) -> Record:
        """Record that a job has just ended, and return that."""
        earlier = self.find(job.name)
        if (
            earlier
            and not earlier.ok
            and (earlier.command, earlier.inputs) == (tuple(command), dict(inputs))
        ):
            seconds += earlier.seconds
        after = {name: self.find(name) for name in job.after}
        record = Record(
            tuple(command),
            dict(inputs),
            {name: found.finished for name, found in after.items() if found},
            datetime.datetime.now().isoformat(timespec="milliseconds"),
            round(seconds, 1),
            ok,
        )
        self.write(job, record)
        return record


def inputs_of(recipe: Path, dumpdir: Path = Path("dump")) -> dict[str, str]:
    """Return digests of what every job of a recipe reads.

    ``data`` is what stage 2 noted of every set, ``configurations`` all files of
    ``conf/``: a job whose own ones did not change finds that out itself, in seconds.
    What is not there yet has no digest.
    """
    parts = {
        "data": (recipe / dumpdir).glob("*/*/done.json"),
        "configurations": _configurations(recipe / "conf"),
    }
    digests = {name: _digest(recipe, sorted(files)) for name, files in parts.items()}
    return {name: digest for name, digest in digests.items() if digest}


def _configurations(folder: Path) -> list[Path]:
    """Return the YAML files of a folder, also those of folders that are links in it."""
    return [
        Path(inside, name)
        for inside, _, names in os.walk(folder, followlinks=True)
        for name in names
        if name.endswith(".yaml")
    ]


def _digest(recipe: Path, files: Sequence[Path]) -> str:
    if not files:
        return ""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(recipe)}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _first_other(old: tuple[str, ...], new: tuple[str, ...]) -> str:
    for one, other in zip(old, new):
        if one != other:
            return f" (was {one!r}, is {other!r})"
    return ""
