"""Files for sherpa-onnx's online kind on utterances with transcripts."""

from pathlib import Path
from typing import Sequence

import numpy as np

from espnet_plugin.export.dev import DevSet
from espnet_plugin.export.int8 import PROBE_UTTERANCES, Trial
from espnet_plugin.export.reference import best_tokens
from espnet_plugin.export.runtime import OnnxModel
from espnet_plugin.export.streaming.sherpa import WrittenSherpa
from espnet_plugin.export.streaming.source import StreamingSource
from espnet_plugin.export.streaming.wenet_run import run_chunks

__all__ = ["sherpa_trial"]


def sherpa_trial(
    source: StreamingSource, written: WrittenSherpa, dev: DevSet, threads: int = 1
) -> Trial:
    """Return how files of the graph are tried, without sherpa-onnx.

    They get the features, the silence at the end and the chunks that sherpa-onnx would
    give them. Whether its programs recognise the same is checked for the file in 32
    bits.

    Args:
        source: The model.
        written: The graph that was written, and its features.
        dev: Utterances.
        threads: Threads of onnxruntime.
    """
    features = {
        name: written.decoded_features(source, samples)
        for name, samples in dev.audio.items()
    }

    def log_probs(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
        model = OnnxModel(path, threads)
        return {
            name: run_chunks(model, source, written.graph, features[name])
            for name in names
        }

    def texts(path: Path) -> dict[str, str]:
        return {
            name: source.text(best_tokens(found, source.facts))
            for name, found in log_probs(path, list(features)).items()
        }

    def outputs(path: Path) -> list[np.ndarray]:
        return list(log_probs(path, list(features)[:PROBE_UTTERANCES]).values())

    return Trial(texts, outputs)
