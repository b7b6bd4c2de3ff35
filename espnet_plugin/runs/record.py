"""Records of earlier runs of jobs: command, inputs, duration and success."""

import datetime
import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Mapping, Optional, Sequence

from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.experiment.meaning import meaning_of_all, same
from espnet_plugin.files import write_json
from espnet_plugin.runs.plan import Job

__all__ = ["Record", "Records", "inputs_of"]


@dataclass(frozen=True)
class Record:
    """The last run of a job.

    Attributes:
        command: Words of the call.
        inputs: Checksums of the inputs of all jobs; see :func:`inputs_of`.
        after: Times at which the jobs it depends on had finished, by name.
        finished: Date and time of its end.
        seconds: Total duration of all attempts with the same command and inputs, in
        seconds.
        ok: Whether it succeeded.
    """

    command: tuple[str, ...]
    inputs: Mapping[str, str]
    after: Mapping[str, str]
    finished: str
    seconds: float
    ok: bool


class Records:
    """The records of a recipe folder, with a small file for each job.

    Args:
        recipe: The recipe's folder.
        expdir: Folder of the models, relative to it.
        name: Folder of the records and logs in ``expdir``.
    """

    def __init__(self, recipe: Path, expdir: Path, name: str = "runs"):
        self.recipe, self.expdir = recipe, expdir
        self.folder = recipe / expdir / name

    def find(self, name: str) -> Optional[Record]:
        """Return the record of a job; None if it is missing or damaged."""
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
        """Write the record of a job."""
        write_json(self.folder / f"{job.name}.json", asdict(record))

    def log(self, job: Job) -> Path:
        """Return the path of a job's log."""
        return self.folder / f"{job.name}.log"

    def due(
        self, job: Job, command: Sequence[str], inputs: Mapping[str, str]
    ) -> Optional[str]:
        """Return the reason why a job has to run; None if it is finished.

        Args:
            job: The job.
            command: Words of its current call.
            inputs: See :func:`inputs_of`.
        """
        found = self.find(job.name)
        if found is None:
            return "not run yet"
        if not found.ok:
            return "failed"
        if found.command != tuple(command):
            return f"other options{_first_other(found.command, tuple(command))}"
        for name, digest in inputs.items():
            if not same(found.inputs.get(name), digest):
                return f"other {name}"
        for name in job.after:
            before = self.find(name)
            if before is None or found.after.get(name) != before.finished:
                return f"after {name}, which ran again"
        lacking = self.lacking(job)
        return lacking and f"{lacking} does not exist any more"

    def lacking(self, job: Job) -> Optional[str]:
        """Return the first pattern of a job that no model matches; None if all do."""
        folder = self.recipe / (job.expdir or self.expdir)
        for pattern in job.leaves:
            if not any(Experiment(path).find_meta() for path in folder.glob(pattern)):
                return pattern
        return None

    def ended(
        self,
        job: Job,
        command: Sequence[str],
        inputs: Mapping[str, str],
        seconds: float,
        ok: bool,
    ) -> Record:
        """Write and return the record of a job that has just ended."""
        earlier = self.find(job.name)
        if (
            earlier
            and not earlier.ok
            and earlier.command == tuple(command)
            and same(earlier.inputs, dict(inputs))
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
    """Return checksums of the inputs of all jobs of a recipe.

    ``data`` is the checksum of stage 2's records of the sets, ``configurations`` that
    of all files of ``conf/``. A job whose own inputs did not change notices this itself
    within seconds. Missing inputs have no checksum.
    """
    parts = {
        "data": (recipe / dumpdir).glob("*/*/done.json"),
        "configurations": _configurations(recipe / "conf"),
    }
    digests = {name: _digest(recipe, sorted(files)) for name, files in parts.items()}
    return {name: digest for name, digest in digests.items() if digest}


def _configurations(folder: Path) -> list[Path]:
    """Return the YAML files in a folder, including linked folders."""
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
    return f"{digest.hexdigest()} means {meaning_of_all(files)}"


def _first_other(old: tuple[str, ...], new: tuple[str, ...]) -> str:
    for one, other in zip(old, new):
        if one != other:
            return f" (was {one!r}, is {other!r})"
    return ""
