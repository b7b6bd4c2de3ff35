"""Files for sherpa-onnx's online kind on utterances with transcripts."""

from pathlib import Path
from typing import Mapping, Sequence

import numpy as np
import soundfile

from espnet_plugin.export.dev import DevSet
from espnet_plugin.export.int8 import PROBE_UTTERANCES, Trial
from espnet_plugin.export.reference import best_tokens
from espnet_plugin.export.run_check import script_texts
from espnet_plugin.export.runtime import OnnxModel
from espnet_plugin.export.script_run import RunnerFailed
from espnet_plugin.export.streaming.sherpa import RUNNER, WrittenSherpa
from espnet_plugin.export.streaming.source import StreamingSource
from espnet_plugin.export.streaming.wenet_run import run_chunks
from espnet_plugin.score.wer import score_texts

__all__ = ["check_sherpa_int8", "sherpa_texts", "sherpa_trial"]


def sherpa_trial(
    source: StreamingSource, written: WrittenSherpa, dev: DevSet, threads: int = 1
) -> Trial:
    """Return the functions that run a file of the graph on dev, without sherpa-onnx.

    The input is what sherpa-onnx would give it: features, silence at the end, chunks.

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


def sherpa_texts(folder: Path, model: str, dev: DevSet, rate: int) -> dict[str, str]:
    """Return what sherpa-onnx recognises with a file, by utterance.

    Args:
        folder: The export.
        model: Name of the file.
        dev: Utterances.
        rate: Sampling rate in Hz.

    Raises:
        RunnerFailed: If the script of the folder fails.
    """
    numbers = {name: number for number, name in enumerate(dev.audio)}

    def write(name: str, scratch: Path) -> Path:
        path = scratch / f"{numbers[name]}.wav"
        soundfile.write(path, dev.audio[name], rate, subtype="FLOAT")
        return path

    return script_texts(folder / RUNNER.name, model, dev, write)


def check_sherpa_int8(
    dev: DevSet, fp32: Mapping[str, str], int8: Mapping[str, str], limit: float
) -> None:
    """Check the loss of the 8-bit file in sherpa-onnx, as was done in onnxruntime.

    Args:
        dev: Utterances with transcripts.
        fp32: What sherpa-onnx recognises with the file in 32 bits.
        int8: The same in 8 bits.
        limit: Points of word error rate that may be lost.

    Raises:
        RunnerFailed: If it loses more.
    """
    text = {name: dev.text[name] for name in fp32}
    before, after = (score_texts(text, said) for said in (fp32, int8))
    loss = after.words.rate - before.words.rate
    if loss > limit:
        raise RunnerFailed(
            f"in sherpa-onnx it has {after.words.rate:.2f} % word errors, and the file "
            f"in 32 bits {before.words.rate:.2f} %: {loss:+.2f} points, more than "
            f"--max_wer_loss {limit:g}"
        )
