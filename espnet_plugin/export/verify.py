"""Check that an exported model gives the same results as ESPnet's model."""

import logging
import os
import site
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Optional, Sequence

import numpy as np
import torch

from espnet_plugin.decode.posteriors import hears_padding
from espnet_plugin.errors import UserError
from espnet_plugin.export.dev import DevSet
from espnet_plugin.export.finite import check_finite
from espnet_plugin.export.ports import Port
from espnet_plugin.export.reference import (
    best_tokens,
    stock_alone,
    stock_batch,
    stock_exactly,
)
from espnet_plugin.export.runtime import OnnxModel
from espnet_plugin.export.source import Source
from espnet_plugin.measure.workload import speech_like_noise
from espnet_plugin.progress import progress

__all__ = [
    "DevCheck",
    "Parity",
    "check_dev",
    "check_file",
    "check_parity",
    "given_input",
    "log_dev",
    "log_parity",
    "machine_paths",
]

_SECONDS = (0.4, 1.0, 3.3, 8.1)
_BATCH = (8.1, 3.3, 5.03)


@dataclass(frozen=True)
class Parity:
    """Differences between the exported model and ESPnet's on artificial audio.

    Attributes:
        lengths_s: Durations of single utterances in seconds.
        batch_s: Durations of the utterances of a batch in seconds; empty if not
            supported, or if the model's convolutions reach into the padding.
        shortest: Samples (or feature frames) of the shortest input that was tried.
        max_difference: Largest difference of two log-probabilities.
    """

    lengths_s: tuple[float, ...]
    batch_s: tuple[float, ...]
    shortest: int
    max_difference: float


@dataclass(frozen=True)
class DevCheck:
    """The same on utterances.

    Attributes:
        folder: Name of the data folder.
        utterances: Number of utterances compared.
        same_tokens: Number of utterances in which both recognised the same tokens.
        max_difference: Largest difference of two log-probabilities.
    """

    folder: str
    utterances: int
    same_tokens: int
    max_difference: float


def check_parity(
    source: Source, port: Port, model: OnnxModel, longest: Optional[float] = None
) -> Parity:
    """Compare several lengths, a batch, and the shortest input there is.

    The rounding errors of a deep model in single precision may exceed the tolerance of
    the port. So if it is exceeded, ESPnet's model is also computed in double precision,
    and its own rounding error is added to the tolerance.

    Args:
        source: ESPnet's model.
        port: The form of the graph.
        model: The exported model.
        longest: Longest duration in seconds that the graph takes; any if not given.

    Raises:
        UserError: If the number of frames differs, or a log-probability by more than
            the port allows.
    """
    largest = 0.0

    def compare(expected: np.ndarray, stock: torch.Tensor, found, what: str) -> None:
        nonlocal largest
        difference = _difference(port, expected, found, what)
        largest = max(largest, difference)
        if not difference <= port.tolerance:
            own = _own_rounding(source, port, stock)
            _refuse_difference(difference, port.tolerance + own)

    lengths = _SECONDS
    if longest is not None:
        lengths = (*(one for one in _SECONDS if one < longest), longest)
    for number, seconds in enumerate(lengths):
        stock, given = _made_up(source, port, seconds, number)
        found = port.read(model.run(port.feed([given])))[0]
        compare(stock_alone(source, stock), stock, found, f"{seconds} s")
    pairs = [_made_up(source, port, s, 10 + n) for n, s in enumerate(_BATCH)]
    batches = port.batches and not hears_padding(source.model)
    if batches != port.batches:
        logging.warning(
            "the encoder has convolutions (conv1d, or pos_enc_layer_type conv) whose "
            "output depends on the padding of the batch, in ESPnet as well: give the "
            "exported model "
            "one utterance at a time"
        )
    if batches:
        expected_batch = stock_batch(source, [stock for stock, _ in pairs])
        found_batch = port.read(model.run(port.feed([given for _, given in pairs])))
        for expected, found, (stock, _) in zip(expected_batch, found_batch, pairs):
            compare(expected, stock, found, "a batch")
    # A single one: the graph has to append silence by itself.
    found = port.read(model.run(port.feed([pairs[0][1][:1]])))[0]
    if not len(found) or not np.isfinite(found).all():
        raise UserError("the exported model gives no output for a single sample")
    batch_s = _BATCH if batches else ()
    return Parity(lengths, batch_s, 1, largest)


def _own_rounding(source: Source, port: Port, stock: torch.Tensor) -> float:
    """Return how far ESPnet's model is from its exact values, for one utterance."""
    single, exact = stock_alone(source, stock), stock_exactly(source, stock)
    return float(np.abs(port.masks(single) - port.masks(exact)).max())


def _refuse_difference(largest: float, allowed: float) -> None:
    if not largest <= allowed:
        raise UserError(
            "the exported model gives different results from ESPnet: "
            f"log-probabilities differ by up to {largest:.2g} (at most {allowed:.2g} "
            "is allowed); nothing was written"
        )


def _made_up(
    source: Source, port: Port, seconds: float, seed: int
) -> tuple[torch.Tensor, np.ndarray]:
    """Return the same input for ESPnet's model and for the exported one."""
    facts = source.facts
    if facts.sample_rate is None:
        torch.manual_seed(seed)
        feats = torch.randn(int(100 * seconds), facts.feature_dim)
        mean = getattr(source.model.normalize, "mean", None)
        if mean is not None:
            feats = feats * source.model.normalize.std + mean
        return feats.float(), feats.float().numpy()
    samples = speech_like_noise(facts.sample_rate, seconds, seed).numpy()
    # Loud and soft ones; without a mean, which some runtimes take away.
    samples = (samples - samples.mean()) / 2 ** (seed % 4)
    return source.stock_input(samples), given_input(source, port, samples)


def given_input(source: Source, port: Port, samples: np.ndarray) -> np.ndarray:
    """Return what the exported model takes for audio."""
    if port.kind == "samples":
        return samples
    stock = source.stock_input(samples)
    if stock.dim() == 2:
        return stock.numpy()
    # ESPnet's front end is a part of its model.
    with torch.inference_mode():
        feats, _ = source.model._extract_feats(stock[None], torch.tensor([len(stock)]))
    return feats[0].numpy()


def _difference(
    port: Port, expected: np.ndarray, found: np.ndarray, what: str
) -> float:
    if expected.shape != found.shape:
        raise UserError(
            f"the exported model gives {found.shape[0]} frames for {what}, but "
            f"ESPnet's model gives {expected.shape[0]}; nothing was written"
        )
    check_finite(found, what)
    difference = np.abs(port.masks(expected) - port.masks(found))
    return float(difference.max(initial=0.0))


def check_dev(
    source: Source, port: Port, model: OnnxModel, dev: DevSet
) -> tuple[DevCheck, dict[str, str], dict[str, str]]:
    """Compare what both recognise in each utterance.

    Returns:
        The result, ESPnet's text of each utterance, and that of the exported model.

    Raises:
        UserError: If they recognise different tokens more often than the port allows.
    """
    same, largest, different = 0, 0.0, []
    texts: dict[str, str] = {}
    found_texts: dict[str, str] = {}
    names = progress(dev.audio, len(dev.audio), f"utterances of {dev.folder} compared")
    for name in names:
        samples = dev.audio[name]
        expected = stock_alone(source, source.stock_input(samples))
        given = given_input(source, port, samples)
        found = port.read(model.run(port.feed([given])))[0]
        found_texts[name] = source.text(best_tokens(found, source.facts))
        if not len(expected):
            # ESPnet takes none so short; the exported model appends silence.
            texts[name] = found_texts[name]
            same += 1
            continue
        largest = max(largest, _difference(port, expected, found, name))
        expected = port.masks(expected)
        tokens = [best_tokens(item, source.facts) for item in (expected, found)]
        texts[name] = source.text(tokens[0])
        if tokens[0] == tokens[1] or _is_tie(expected, found, port.tolerance):
            same += 1
        else:
            different.append(name)
    if same < port.least_same * (same + len(different)):
        raise UserError(
            "the exported model recognises different tokens from ESPnet's in "
            f"{len(different)} of {len(dev.audio)} utterances of {dev.folder} "
            f"({', '.join(different[:4])}; log-probabilities differ by up to "
            f"{largest:.2g}); nothing was written"
        )
    compared = DevCheck(dev.folder, len(dev.audio), same, largest)
    return compared, texts, found_texts


def _is_tie(expected: np.ndarray, found: np.ndarray, tolerance: float) -> bool:
    """Return whether best tokens only differ where two are equal up to rounding."""
    rows = np.flatnonzero(expected.argmax(1) != found.argmax(1))
    margins = expected[rows].max(1) - expected[rows, found[rows].argmax(1)]
    return bool((margins <= tolerance).all())


def machine_paths() -> list[str]:
    """Return folders of this machine that must not be in a file for others."""
    paths = {
        str(Path.home()),
        os.getcwd(),
        sys.prefix,
        sysconfig.get_paths()["purelib"],
        str(Path(torch.__file__).parent),
        str(Path(__file__).resolve().parents[2]),
        *site.getsitepackages(),
    }
    return _long_paths(paths)


def _long_paths(paths: Iterable[str]) -> list[str]:
    """Leave out short paths such as "/data", which may be in the file by chance."""
    return sorted(path for path in paths if len(Path(path).parts) > 2)


def check_file(path: Path, more_paths: Sequence[Path] = ()) -> None:
    """Check that a file is self-contained and has no paths of this machine.

    Args:
        path: The ONNX file.
        more_paths: Folders that must not be named in it either.

    Raises:
        UserError: If it uses other files or contains such a path.
    """
    import onnx

    content = onnx.load(str(path), load_external_data=False)
    outside = [
        tensor.name
        for tensor in content.graph.initializer
        if tensor.data_location == onnx.TensorProto.EXTERNAL
    ]
    if outside:
        raise UserError(f"{path.name} has {len(outside)} tensors in other files")
    data = path.read_bytes()
    more = _long_paths(str(p.resolve()) for p in more_paths)
    for folder in [*machine_paths(), *more]:
        if os.fsencode(folder) in data:
            raise UserError(f"{path.name} names the folder {folder} of this machine")


def log_parity(parity: Parity) -> None:
    """Say what was compared."""
    logging.info(
        "log-probabilities differ from ESPnet's by %.1e at most (%s s%s)",
        parity.max_difference,
        ", ".join(f"{s:g}" for s in parity.lengths_s),
        ", and a batch" if parity.batch_s else "",
    )


def log_dev(dev: DevCheck) -> None:
    """Say how many utterances gave the same tokens."""
    logging.info(
        "%d of %d utterances of %s: the same tokens as ESPnet (largest difference "
        "%.1e)",
        dev.same_tokens,
        dev.utterances,
        dev.folder,
        dev.max_difference,
    )
