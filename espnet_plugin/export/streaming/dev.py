"""A written stream on utterances with transcripts, by the script that a user runs."""

from pathlib import Path
from typing import Any

import numpy as np

from espnet_plugin.errors import UserError
from espnet_plugin.export.dev import DevSet
from espnet_plugin.export.finite import check_finite
from espnet_plugin.export.int8 import PROBE_UTTERANCES, Trial
from espnet_plugin.export.reference import best_tokens
from espnet_plugin.export.scripts import load_script
from espnet_plugin.export.streaming.front_end import stock_features
from espnet_plugin.export.streaming.reference import torch_stream
from espnet_plugin.export.streaming.source import StreamingSource
from espnet_plugin.export.verify import DevCheck
from espnet_plugin.progress import progress

__all__ = ["check_stream_dev", "stream_texts", "stream_trial"]

_BLOCK_S = 0.1


def check_stream_dev(
    source: StreamingSource, folder: Path, model: str, dev: DevSet
) -> tuple[DevCheck, dict[str, str]]:
    """Compare what the script of a folder recognises with torch's ``stream()``.

    Args:
        source: The model.
        folder: The export.
        model: Name of its file of a chunk.
        dev: Utterances.

    Returns:
        The result, and the script's text of each utterance.

    Raises:
        UserError: If another token is recognised in one of them.
    """
    recogniser = _recogniser(folder, model)
    largest, different, texts = 0.0, [], {}
    names = progress(dev.audio, len(dev.audio), f"utterances of {dev.folder} compared")
    for name in names:
        samples = dev.audio[name]
        expected = torch_stream(source, stock_features(source, samples))
        found = _log_probs(recogniser, samples)
        check_finite(found, name)
        difference = np.abs(expected - found).max(initial=0.0)
        largest = max(largest, float(difference))
        if best_tokens(found, source.facts) != best_tokens(expected, source.facts):
            different.append(name)
        texts[name] = _text(recogniser, samples)
    if different:
        raise UserError(
            "the exported model recognises different tokens from torch's stream() in "
            f"{len(different)} of {len(dev.audio)} utterances of {dev.folder} "
            f"({', '.join(different[:4])}; log-probabilities differ by up to "
            f"{largest:.2g}); nothing was written"
        )
    return DevCheck(dev.folder, len(dev.audio), len(dev.audio), largest), texts


def stream_texts(folder: Path, model: str, dev: DevSet) -> dict[str, str]:
    """Return what the script of a folder recognises by utterance."""
    recogniser = _recogniser(folder, model)
    return {name: _text(recogniser, samples) for name, samples in dev.audio.items()}


def stream_trial(folder: Path, dev: DevSet) -> Trial:
    """Return the functions that run a chunk model with its front end on dev."""

    def outputs(path: Path) -> list[np.ndarray]:
        recogniser = _recogniser(folder, path.name)
        probes = list(dev.audio.values())[:PROBE_UTTERANCES]
        return [_log_probs(recogniser, samples) for samples in probes]

    return Trial(lambda path: stream_texts(folder, path.name, dev), outputs)


def _recogniser(folder: Path, model: str) -> Any:
    return load_script(folder / "recognise.py").Recogniser(folder, model)


def _log_probs(recogniser: Any, samples: np.ndarray) -> np.ndarray:
    recogniser.reset()
    found = [recogniser.log_probs(block) for block in _blocks(recogniser, samples)]
    return np.concatenate([*found, recogniser.log_probs(samples[:0], last=True)])


def _text(recogniser: Any, samples: np.ndarray) -> str:
    recogniser.reset()
    for block in _blocks(recogniser, samples):
        recogniser.accept(block)
    return recogniser.accept(samples[:0], last=True)


def _blocks(recogniser: Any, samples: np.ndarray) -> list[np.ndarray]:
    size = round(_BLOCK_S * recogniser.meta["sample_rate"])
    return [samples[at : at + size] for at in range(0, len(samples), size)]
