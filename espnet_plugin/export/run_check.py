"""The script that is copied beside a model is tried as its user will call it."""

import logging
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

import numpy as np
import soundfile

from espnet_plugin.errors import UserError
from espnet_plugin.export.dev import DevSet
from espnet_plugin.export.reference import best_tokens, stock_alone, tokens_text
from espnet_plugin.export.runtime import is_installed, quiet_environment
from espnet_plugin.export.source import Source
from espnet_plugin.export.targets import Target
from espnet_plugin.export.verify import given_input

__all__ = ["RunnerCheck", "check_runner"]

_UTTERANCES = 100


@dataclass(frozen=True)
class RunnerCheck:
    """What the script printed.

    Attributes:
        script: Its name.
        utterances: How many it was given.
        same_texts: Of how many its text was ESPnet's.
    """

    script: str
    utterances: int
    same_texts: int


def check_runner(
    source: Source, target: Target, folder: Path, dev: DevSet
) -> Optional[RunnerCheck]:
    """Run the script on utterances and compare its texts with ESPnet's.

    In a process of its own, because sherpa-onnx ends the process on an error.

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
            [sys.executable, str(script), *map(str, files.values())],
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
        line.split("\t", 1) for line in done.stdout.splitlines() if "\t" in line
    )
    different = []
    for name in names:
        log_probs = stock_alone(source, source.stock_input(dev.audio[name]))
        tokens = best_tokens(target.port.masks(log_probs), source.facts)
        text = tokens_text(source, tokens)
        if found.get(str(files[name]), "?").split() != text.split():
            different.append(name)
    same = len(names) - len(different)
    logging.info("%s: %d of %d texts are ESPnet's", script.name, same, len(names))
    if same < target.port.least_same * len(names):
        raise UserError(
            f"{script.name} recognises another text than ESPnet in {len(different)} of "
            f"{len(names)} utterances of {dev.folder} ({', '.join(different[:4])}); "
            f"{target.port.least_same:.0%} must be the same. Nothing was written"
        )
    return RunnerCheck(script.name, len(names), same)


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
