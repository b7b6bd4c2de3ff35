"""The figures of an exported file, as stored in ``meta.json``."""

from dataclasses import asdict
from pathlib import Path
from typing import Mapping, Optional, Sequence

import numpy as np

from espnet_plugin.experiment.exported import ExportedFile
from espnet_plugin.export.dev import DevSet
from espnet_plugin.export.ports import Port
from espnet_plugin.export.source import Source
from espnet_plugin.export.timing.measure import LENGTHS_S, Timed, Workload
from espnet_plugin.export.verify import given_input
from espnet_plugin.measure.workload import speech_like_noise
from espnet_plugin.score.wer import score_texts

__all__ = ["exported_file", "short_utterance", "workload"]

_UTTERANCE_S = 2.0
# Features of an unknown kind are assumed to have Kaldi's frame shift of 10 ms.
_FRAMES_PER_SECOND = 100


def workload(
    source: Source,
    port: Port,
    script: Path,
    dev: Optional[DevSet],
    texts: Mapping[str, str],
    threads: int,
) -> Workload:
    """Return the audio and script for measuring a model for whole utterances.

    Args:
        source: The model.
        port: The form of its graph.
        script: The script in the folder.
        dev: Utterances; a short one of them is used, or noise if there are none.
        texts: What is recognised of them.
        threads: Threads of the runtime.
    """
    facts, longest = source.facts, max(LENGTHS_S)
    rate = facts.sample_rate
    if rate is None:
        features = np.random.default_rng(0).standard_normal(
            (longest * _FRAMES_PER_SECOND, facts.feature_dim), dtype=np.float32
        )
        count = int(_UTTERANCE_S * _FRAMES_PER_SECOND)
        pair = features, features[:count]
        return Workload(script, *pair, None, _FRAMES_PER_SECOND, threads=threads)
    samples = speech_like_noise(rate, longest).numpy()
    pair = tuple(
        given_input(source, port, one)
        for one in (samples, short_utterance(rate, dev, texts))
    )
    if port.kind == "samples":
        return Workload(script, *pair, rate, rate, threads=threads)
    return Workload(script, *pair, None, rate / facts.hop, threads=threads)


def short_utterance(
    rate: int, dev: Optional[DevSet], texts: Mapping[str, str]
) -> np.ndarray:
    """Return the utterance of about two seconds in which something is recognised.

    Noise if there is none.
    """
    known = {} if dev is None else dev.audio
    spoken = [known[name] for name in known if texts.get(name, "").strip()]
    if not spoken:
        return speech_like_noise(rate, _UTTERANCE_S).numpy()
    return min(spoken, key=lambda one: abs(len(one) - _UTTERANCE_S * rate))


def exported_file(
    paths: Sequence[Path],
    dev: Optional[DevSet] = None,
    texts: Optional[Mapping[str, str]] = None,
    timed: Optional[Timed] = None,
) -> ExportedFile:
    """Return size, error rate and timing of a file, as far as known.

    Args:
        paths: The file, and others that it needs, whose sizes are added.
        dev: Utterances with transcripts.
        texts: What the file recognises of each of them.
        timed: Measured time and memory.
    """
    figures = {} if timed is None else asdict(timed)
    if dev is not None and texts is not None and any(map(str.split, dev.text.values())):
        score = score_texts(dev.text, texts)
        figures.update(
            wer=score.words.rate,
            wer_ci95=tuple(score.wer_ci95),
            wer_set=dev.folder,
            errors_by_unit=tuple(one.words.errors for one in score.utterances),
            words_by_unit=tuple(one.words.reference for one in score.utterances),
        )
    size = sum(path.stat().st_size for path in paths)
    return ExportedFile(file_bytes=size, **figures)
