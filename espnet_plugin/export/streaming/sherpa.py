"""A folder that sherpa-onnx's own streaming programs run."""

import importlib.metadata
import json
import logging
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Optional

import numpy as np
import soundfile
import torch
from torch import nn

from espnet_plugin.errors import UserError
from espnet_plugin.export.export_meta import ExportMeta
from espnet_plugin.export.facts import DEFAULT_FRONT_END
from espnet_plugin.export.finite import check_finite
from espnet_plugin.export.folder import META
from espnet_plugin.export.graph.normalise import normalisation
from espnet_plugin.export.meta import file_table
from espnet_plugin.export.ports import TOLERANCE
from espnet_plugin.export.reference import best_tokens
from espnet_plugin.export.runtime import OnnxModel, is_installed
from espnet_plugin.export.script_run import run_script
from espnet_plugin.export.scripts import copy_script
from espnet_plugin.export.sherpa import sherpa_tokens
from espnet_plugin.export.streaming.describe import describe_stream, stream_metadata
from espnet_plugin.export.streaming.match import (
    KALDI_BINS,
    MatchLoss,
    fit_match,
    online_fbank,
)
from espnet_plugin.export.streaming.reference import torch_stream
from espnet_plugin.export.streaming.source import StreamingSource
from espnet_plugin.export.streaming.wenet_graph import WenetGraph
from espnet_plugin.export.streaming.wenet_run import run_chunks
from espnet_plugin.export.verify import check_file
from espnet_plugin.export.write import write_graph
from espnet_plugin.files import write_json, write_lines
from espnet_plugin.measure.workload import speech_like_noise

__all__ = ["INT8", "LEAST_SAME", "MODEL", "RUNNER", "WrittenSherpa", "fill_sherpa"]

MODEL = "model.onnx"
INT8 = "model.int8.onnx"
RUNNER = Path(__file__).with_name("run_sherpa.py")
_UNKNOWN = "<unk>"
LEAST_SAME = 0.95
# So many that in a single one two tokens may only differ by rounding.
_SECONDS = tuple(round(0.1 + 0.19 * number, 2) for number in range(20))


@dataclass(frozen=True)
class _Features:
    """The features of sherpa-onnx, and how they are converted to the model's.

    Attributes:
        dim: Number of filters.
        high_freq: Upper edge of the filters in Hz, which the application has to set;
            None: sherpa-onnx's default.
        prepare: Converts them to the model's features before normalisation; None:
            they are the same.
        normalise: The model's normalisation, or None.
        loss: The error of the conversion; None: it is exact.
    """

    dim: int
    high_freq: Optional[float]
    prepare: Optional[nn.Module]
    normalise: Optional[nn.Module]
    loss: Optional[MatchLoss]

    def of(self, samples: np.ndarray, rate: int) -> torch.Tensor:
        """Return sherpa-onnx's features of audio, ``(1, frames, dim)``."""
        if self.high_freq is None:
            return online_fbank(samples, rate, self.dim)
        return online_fbank(samples, rate, self.dim, self.high_freq)

    @torch.no_grad()
    def models(self, features: torch.Tensor) -> torch.Tensor:
        """Return the model's features, computed from sherpa-onnx's."""
        if self.prepare is not None:
            features = self.prepare(features)
        if self.normalise is not None:
            features = self.normalise(features, torch.tensor([features.shape[1]]))
        return features


@dataclass(frozen=True)
class WrittenSherpa:
    """What was written for sherpa-onnx.

    Attributes:
        graph: The graph in the file.
        features: What sherpa-onnx computes for it.
        meta: The facts of the export.
    """

    graph: WenetGraph
    features: _Features
    meta: ExportMeta

    def decoded_features(
        self, source: StreamingSource, samples: np.ndarray
    ) -> np.ndarray:
        """Return the features that the runner's stream decodes, ``(1, frames, dim)``.

        Silence follows the samples, and sherpa-onnx waits for one frame more than a
        chunk needs.
        """
        rate = source.facts.sample_rate
        return self.features.of(_followed(source, samples), rate)[:, :-1].numpy()


def fill_sherpa(
    new: Path, source: StreamingSource, experiment: Path, calibration: Optional[Path]
) -> WrittenSherpa:
    """Write and check everything that sherpa-onnx needs, except the cards.

    Args:
        new: The folder.
        source: The model.
        experiment: The model's folder; its path must not occur in any file.
        calibration: A Kaldi data folder, for a model of ESPnet's features.

    Returns:
        The graph and its features, for trials of the file.

    Raises:
        UserError: If sherpa-onnx cannot serve the model, or recognises something else.
    """
    facts = source.facts
    tokens = sherpa_tokens(facts)
    never = [n for n, token in enumerate(facts.tokens) if token == _UNKNOWN]
    never += facts.drop  # the online kinds print </s> too, which the others do not
    # Context first: fitting takes its time.
    WenetGraph(source, None, None, tuple(never), facts.drop, KALDI_BINS)
    features = _features_of(source, calibration)
    graph = WenetGraph(
        source,
        features.prepare,
        features.normalise,
        tuple(never),
        facts.drop,
        features.dim,
    )
    write_graph(
        graph,
        graph.example(),
        new / MODEL,
        graph.inputs,
        graph.outputs,
        {
            **stream_metadata(source),
            **graph.metadata,
            "tail_s": f"{_tail_s(source):g}",
            "feature_dim": str(features.dim),
            "high_freq": f"{features.high_freq or 0:g}",
        },
    )
    check_file(new / MODEL, [experiment, new])
    write_lines(new / "tokens.txt", (f"{t} {n}" for n, t in enumerate(tokens)))
    copy_script(RUNNER, new)
    meta = replace(
        describe_stream(source, "sherpa-onnx", {"frames": graph.frames}),
        sherpa={
            "kind": "online wenet_ctc",
            "num_left_chunks": source.chunking.left // source.chunking.chunk,
            "feature_dim": features.dim,
            "high_freq": features.high_freq,
            "tail_s": _tail_s(source),
        },
        approximate=None if features.loss is None else asdict(features.loss),
    )
    write_json(new / META, meta.to_json())  # the runner reads it
    verified = {"parity": _check_graph(source, graph, features, new / MODEL)}
    tried = _check_runner(source, features, new, tokens, tuple(never))
    if tried is not None:
        verified["sherpa"] = tried
    files = {name: one for name, one in file_table(new).items() if name != META}
    meta = replace(meta, verified=verified, files=files)
    return WrittenSherpa(graph, features, meta)


def _features_of(source: StreamingSource, calibration: Optional[Path]) -> _Features:
    facts = source.facts
    if facts.front_end != DEFAULT_FRONT_END:
        if calibration is not None:
            raise UserError(
                f"--calibration {calibration}: the model takes Kaldi's features, which "
                "sherpa-onnx computes exactly; leave the option out"
            )
        normalise = normalisation(getattr(source.model, "normalize", None))
        nyquist = facts.sample_rate / 2
        return _Features(facts.feature_dim, nyquist, None, normalise, None)
    if calibration is None:
        raise UserError(
            f"{facts.experiment} takes ESPnet's log-mel features, but sherpa-onnx's "
            "streaming models compute Kaldi's: train with --feats_type fbank, or "
            "give --calibration with a Kaldi data folder, on which a matrix is "
            "fitted (approximate), or use --target onnx"
        )
    linear, loss = fit_match(source, calibration)
    logging.warning(
        "approximate: sherpa-onnx's features are mapped by a fitted matrix; word error "
        "rate %.2f %% instead of %.2f %% on %d utterances of %s",
        loss.wer_approximate,
        loss.wer_exact,
        loss.utterances,
        loss.folder,
    )
    return _Features(KALDI_BINS, None, linear, None, loss)


def _tail_s(source: StreamingSource) -> float:
    """Return the silence after which every frame of the audio has been decoded.

    That is a chunk and its look-ahead, the frames that the sub-sampling reads after
    them, one more frame for which sherpa-onnx waits, and the one that ends after the
    audio.
    """
    chunk, _, ahead = source.chunking
    embed = source.encoder.embed
    frames = (chunk + ahead) * embed.stride + embed.span - embed.stride + 2
    return round(0.010 * frames, 3)


def _check_graph(
    source: StreamingSource, graph: WenetGraph, features: _Features, path: Path
) -> dict:
    """Compare the file with ``stream()`` chunk by chunk, called as sherpa-onnx does."""
    model, rate = OnnxModel(path), source.facts.sample_rate
    largest, frames = 0.0, 0
    for seed, seconds in enumerate(_SECONDS):
        samples = _followed(source, speech_like_noise(rate, seconds, seed).numpy())
        x = features.of(samples, rate)
        expected = torch_stream(source, features.models(x), last=False)
        own = run_chunks(model, source, graph, x.numpy())
        if own.shape != expected.shape:
            raise UserError(
                f"the exported model gives {len(own)} frames for {seconds} s, but "
                f"torch gives {len(expected)}; nothing was written"
            )
        check_finite(own, f"{seconds} s")
        can_win = graph.never.numpy() == 0
        expected = _with_blanks(expected, source)
        difference = np.abs(own - expected)[:, can_win]
        largest, frames = max(
            largest, float(difference.max(initial=0.0))
        ), frames + len(own)
    if not largest <= TOLERANCE:
        raise UserError(
            "the exported model gives different results from torch: "
            f"log-probabilities differ by up to {largest:.2g} (at most {TOLERANCE:g} "
            "is allowed); nothing was written"
        )
    return {"seconds": list(_SECONDS), "frames": frames, "max_difference": largest}


def _with_blanks(log_probs: np.ndarray, source: StreamingSource) -> np.ndarray:
    """Let the blank win where a token does that is no text."""
    log_probs = log_probs.copy()
    log_probs[:, 0] = log_probs[:, [0, *source.facts.drop]].max(axis=1)
    return log_probs


def _followed(source: StreamingSource, samples: np.ndarray) -> np.ndarray:
    """Return audio as the runner hands it over: with silence after it."""
    count = round(_tail_s(source) * source.facts.sample_rate)
    return np.concatenate([samples, np.zeros(count, np.float32)])


def _check_runner(
    source: StreamingSource,
    features: _Features,
    folder: Path,
    tokens: tuple[str, ...],
    never: tuple[int, ...],
) -> Optional[dict]:
    """Run the folder's script in a process of its own and compare the tokens."""
    if not is_installed("sherpa_onnx"):
        logging.warning(
            "sherpa_onnx is not installed, so %s was not tried (pip install "
            "sherpa-onnx)",
            RUNNER.name,
        )
        return None
    rate, audio = source.facts.sample_rate, {}
    for seed, seconds in enumerate(_SECONDS):
        audio[f"{seed}.wav"] = speech_like_noise(rate, seconds, seed).numpy()
    with tempfile.TemporaryDirectory() as scratch:
        paths = [str(Path(scratch) / name) for name in audio]
        for path, samples in zip(paths, audio.values()):
            soundfile.write(path, samples, rate, subtype="FLOAT")
        printed = run_script(folder / RUNNER.name, ["--json", *paths])
    lines = [line for line in printed.splitlines() if line.startswith("{")]
    if len(lines) != len(audio):
        raise UserError(
            f"{RUNNER.name} gave {len(lines)} results for {len(audio)} utterances; "
            "nothing was written"
        )
    same = 0
    for line, samples in zip(lines, audio.values()):
        # sherpa-onnx waits for one frame more than a chunk needs.
        x = features.of(_followed(source, samples), rate)[:, :-1]
        expected = torch_stream(source, features.models(x), last=False)
        expected = _with_blanks(expected, source)
        expected[:, list(never)] = -np.inf
        names = [tokens[number] for number in best_tokens(expected, source.facts)]
        found = json.loads(line)["tokens"]
        same += [_plain(name) for name in found] == [_plain(name) for name in names]
    if same < LEAST_SAME * len(audio):
        raise UserError(
            "sherpa-onnx recognises different tokens from torch in "
            f"{len(audio) - same} of {len(audio)} synthetic utterances; nothing was "
            "written"
        )
    logging.info("sherpa-onnx: the same tokens in %d of %d", same, len(audio))
    version = importlib.metadata.version("sherpa-onnx")
    return {"version": version, "utterances": len(audio), "same_tokens": same}


def _plain(token: str) -> str:
    return token.replace("\u2581", " ").strip()
