"""Test the script that is copied next to a model, as its user will call it."""

import logging
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping, Optional

import numpy as np
import soundfile

from espnet_plugin.errors import UserError
from espnet_plugin.export.dev import DevSet
from espnet_plugin.export.runtime import is_installed, quiet_environment
from espnet_plugin.export.source import Source
from espnet_plugin.export.targets import Target
from espnet_plugin.export.verify import given_input

__all__ = ["RunnerCheck", "check_runner"]

_UTTERANCES = 100


@dataclass(frozen=True)
class RunnerCheck:
    """Result of testing the script.

    Attributes:
        script: Name of the script.
        model: Name of the model file that it used.
        utterances: Number of utterances it was given.
        same_texts: Number of utterances with the expected text: ESPnet's, or, for a
            quantised file, what the check before recognised with the file.
    """

    script: str
    model: str
    utterances: int
    same_texts: int


def check_runner(
    source: Source,
    target: Target,
    folder: Path,
    dev: DevSet,
    model: str,
    texts: Mapping[str, str],
) -> Optional[RunnerCheck]:
    """Run the script on utterances and compare its texts with those expected.

    In a process of its own, because sherpa-onnx ends the process on an error.

    Args:
        source: The model.
        target: The target whose script it is.
        folder: The export, complete.
        dev: Utterances.
        model: Name of the file that the script is to run.
        texts: What it should say of each.

    Returns:
        The result; None if the package that it needs is not installed.

    Raises:
        UserError: If it fails, or too many texts differ.
    """
    script = folder / target.runner.name
    if not is_installed(target.needs):
        logging.warning(
            "%s is not installed, so %s was not tried (pip install %s)",
            target.needs,
            script.name,
            target.needs.replace("_", "-"),
        )
        return None
    names = list(dev.audio)[:_UTTERANCES]
    with tempfile.TemporaryDirectory() as scratch:
        files = {n: _write(source, target, dev, n, Path(scratch)) for n in names}
        done = subprocess.run(
            [sys.executable, str(script), *map(str, files.values()), "--model", model],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env=quiet_environment(),
        )
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()
        raise UserError(
            f"{script.name} ended with status {done.returncode}: {said[-1]}; nothing "
            "was written"
        )
    found = dict(
        line.split("\t", 1) for line in done.stdout.split("\n") if "\t" in line
    )
    different = [
        name
        for name in names
        if found.get(str(files[name]), "?").split() != texts[name].split()
    ]
    same = len(names) - len(different)
    logging.info(
        "%s with %s: %d of %d texts as expected", script.name, model, same, len(names)
    )
    if same < target.port.least_same * len(names):
        raise UserError(
            f"{script.name} with {model} recognises a different text than expected in "
            f"{len(different)} of {len(names)} utterances of {dev.folder} "
            f"({', '.join(different[:4])}); {target.port.least_same:.0%} must be the "
            "same. Nothing was written"
        )
    return RunnerCheck(script.name, model, len(names), same)


def _write(
    source: Source, target: Target, dev: DevSet, name: str, folder: Path
) -> Path:
    """Write an utterance as the file that the script takes."""
    number = list(dev.audio).index(name)
    if target.port.kind == "samples":
        path = folder / f"{number}.wav"
        rate = source.facts.sample_rate
        soundfile.write(path, dev.audio[name], rate, subtype="FLOAT")
    else:
        path = folder / f"{number}.npy"
        np.save(path, given_input(source, target.port, dev.audio[name]))
    return path
