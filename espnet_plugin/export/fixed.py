"""A second file whose input has one length only, for compilers and accelerators.

Compilers for small processors and drivers of accelerators need the size of every tensor
before they run, and refuse a graph whose sizes depend on its input.
"""

import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Mapping, Optional

import numpy as np

from espnet_plugin.decode.posteriors import depends_on_padding
from espnet_plugin.errors import UserError
from espnet_plugin.export.dev import DevSet
from espnet_plugin.export.ports import SpeechPort
from espnet_plugin.export.runtime import OnnxModel
from espnet_plugin.export.source import Source
from espnet_plugin.export.static import make_static
from espnet_plugin.export.verify import (
    DevCheck,
    Parity,
    check_dev,
    check_file,
    check_parity,
    given_input,
    log_dev,
    log_parity,
)
from espnet_plugin.export.write import write_model

__all__ = ["FIXED", "FixedFile", "FixedResult", "check_can_be_fixed", "make_fixed"]

FIXED = "model.fixed.onnx"


@dataclass(frozen=True)
class FixedResult:
    """Size of the file's input, and results of its checks.

    Attributes:
        seconds: Duration of the input in seconds.
        size: The same in samples or feature frames.
        parity: Differences from ESPnet's model on artificial audio.
        dev: The same on utterances that are not longer; None if there are none.
    """

    seconds: float
    size: int
    parity: Parity
    dev: Optional[DevCheck]

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``fixed`` in ``meta.json``."""
        return asdict(self)


@dataclass(frozen=True)
class FixedFile:
    """The file as it was written.

    Attributes:
        result: Its facts.
        dev: The utterances that it takes; None if there are none.
        texts: ESPnet's text of each.
    """

    result: FixedResult
    dev: Optional[DevSet]
    texts: Mapping[str, str]


def check_can_be_fixed(source: Source, seconds: float) -> None:
    """Check that audio followed by silence gives the same as without.

    Raises:
        UserError: If it does not.
    """
    if depends_on_padding(source.model):
        raise UserError(
            f"--fixed_seconds {seconds:g}: the output of {source.facts.experiment} "
            "depends on what follows an utterance in a longer input, in ESPnet as well "
            "(old relative positions, or convolutions without a mask); leave the "
            "option out"
        )


def make_fixed(
    source: Source,
    port: SpeechPort,
    seconds: float,
    path: Path,
    metadata: Mapping[str, str],
    dev: Optional[DevSet],
    threads: int = 1,
) -> FixedFile:
    """Write the file, and compare it with ESPnet's model.

    Args:
        source: The model; :func:`check_can_be_fixed`.
        port: The form of the graph of any length.
        seconds: Duration of the input.
        path: The file to write.
        metadata: Properties of the file.
        dev: Utterances; longer ones are not compared.
        threads: Threads of onnxruntime.

    Raises:
        UserError: If the file gives different results, or a size is not fixed.
    """
    size = _size(source, port, seconds)
    fixed = type(port)(size)
    write_model(fixed, source, path, {**metadata, "fixed_size": str(size)})
    make_static(path)
    check_file(path, [path.parent])
    model = OnnxModel(path, threads)
    parity = check_parity(source, fixed, model, seconds)
    log_parity(parity)
    short = None if dev is None else _shorter(source, port, dev, size)
    if short is None:
        if dev is not None:
            logging.warning(
                "%s: every utterance of %s is longer than --fixed_seconds %g, so no "
                "texts are compared",
                *(path.name, dev.folder, seconds),
            )
        return FixedFile(FixedResult(seconds, size, parity, None), None, {})
    compared, texts, _ = check_dev(source, fixed, model, short)
    log_dev(compared)
    result = FixedResult(seconds, size, parity, compared)
    return FixedFile(result, short, texts)


def _size(source: Source, port: SpeechPort, seconds: float) -> int:
    """Return the samples or feature frames of that duration."""
    facts = source.facts
    if facts.sample_rate is None:
        return round(1000 * seconds * facts.stride / facts.frame_ms)
    silence = np.zeros(round(facts.sample_rate * seconds), dtype=np.float32)
    return len(given_input(source, port, silence))


def _shorter(
    source: Source, port: SpeechPort, dev: DevSet, size: int
) -> Optional[DevSet]:
    """Return the utterances that an input of that size has room for."""
    audio = {
        name: samples
        for name, samples in dev.audio.items()
        if len(given_input(source, port, samples)) <= size
    }
    if not audio:
        return None
    return DevSet(dev.folder, audio, {name: dev.text[name] for name in audio})
