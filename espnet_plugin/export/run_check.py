"""Test the script that is copied next to a model, as its user will call it."""

import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Mapping, Optional

import numpy as np
import soundfile

from espnet_plugin.export.dev import DevSet
from espnet_plugin.export.runtime import is_installed
from espnet_plugin.export.script_run import RunnerFailed, run_script
from espnet_plugin.export.source import Source
from espnet_plugin.export.targets import Target
from espnet_plugin.export.verify import given_input

__all__ = [
    "RunnerCheck",
    "check_runner",
    "compare_texts",
    "script_texts",
]

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
        RunnerFailed: If it fails, or too many texts differ.
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

    def write(name: str, scratch: Path) -> Path:
        return _write(source, target, dev, name, scratch)

    found = script_texts(script, model, dev, write)
    return compare_texts(script, model, dev, texts, found, target.port.least_same)


def script_texts(
    script: Path, model: str, dev: DevSet, write: Callable[[str, Path], Path]
) -> dict[str, str]:
    """Return what a script recognises in up to 100 utterances, by utterance.

    Args:
        script: The script, in its folder.
        model: Name of the file that it is to run.
        dev: Utterances.
        write: Writes the utterance of a name into a folder, and returns its path.

    Raises:
        RunnerFailed: If it fails.
    """
    names = list(dev.audio)[:_UTTERANCES]
    with tempfile.TemporaryDirectory() as scratch:
        files = {name: write(name, Path(scratch)) for name in names}
        words = [*map(str, files.values()), "--model", model]
        printed = run_script(script, words, model)
    lines = [line for line in printed.split("\n") if "\t" in line]
    found = dict(line.split("\t", 1) for line in lines)
    return {name: found.get(str(files[name]), "") for name in names}


def compare_texts(
    script: Path,
    model: str,
    dev: DevSet,
    texts: Mapping[str, str],
    found: Mapping[str, str],
    least_same: float,
) -> RunnerCheck:
    """Compare a script's texts with the expected ones.

    Args:
        script: The script.
        model: Name of the file that it ran.
        dev: Utterances.
        texts: What it should say of each.
        found: What it said.
        least_same: Share of utterances that must have the expected text.

    Raises:
        RunnerFailed: If too many texts differ.
    """
    different = [n for n, said in found.items() if said.split() != texts[n].split()]
    same = len(found) - len(different)
    logging.info(
        "%s with %s: %d of %d texts as expected", script.name, model, same, len(found)
    )
    if same < least_same * len(found):
        raise RunnerFailed(
            f"{script.name} with {model} recognises a different text than expected in "
            f"{len(different)} of {len(found)} utterances of {dev.folder} "
            f"({', '.join(different[:4])}); {least_same:.0%} must be the same"
        )
    return RunnerCheck(script.name, model, len(found), same)


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
