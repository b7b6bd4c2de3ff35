"""Recognise audio files with sherpa-onnx and the streaming model beside this script.

    python run_sherpa.py FILE...

Needs numpy, soundfile and sherpa-onnx. One channel, at the model's rate.
"""

import argparse
import json
import os
import re
import sys
from pathlib import Path

try:
    import numpy as np
    import soundfile
    from sherpa_onnx import OnlineRecognizer
    from sherpa_onnx.lib import _sherpa_onnx as sherpa
except (ImportError, OSError) as error:
    raise SystemExit(f"{error}: pip install numpy soundfile sherpa-onnx")

HERE = Path(__file__).resolve().parent
# Louder than any audio in [-1, 1]: integers that were stored as floats.
LOUDEST = 32.0
# "data : 64000 (should be 38382)": how libsndfile logs what a truncated file lacks.
CUT = re.compile(r"(?:data|SSND|riff|Data Size)\s*:\s*(\d+) \(should be (\d+)\)")
UNKNOWN = 0x7FFF0000  # from here on, lengths of files that were written into a pipe
# The same of RF64: samples there, and samples announced.
LOST = re.compile(r"frame count (\d+) does not match value from 'ds64' chunk of (\d+)")


def whole(least):
    """Return what tells whether a value is a whole number from ``least`` on."""
    return lambda value: type(value) is int and least <= value < 1 << 31


# What is read of meta.json, and what it may be.
KEYS = {
    "vocabulary": whole(2),
    "sample_rate": whole(100),
    "streaming.chunk_frames": whole(1),
    "sherpa.feature_dim": whole(1),
    "sherpa.num_left_chunks": whole(0),
    "sherpa.high_freq": lambda v: v is None or type(v) in (int, float) and 0 < v < 1e6,
    "sherpa.tail_s": lambda v: type(v) in (int, float) and 0 <= v < 1e3,
}


def read_meta(folder):
    """Return meta.json; ValueError says which value cannot be."""
    meta = json.loads((Path(folder) / "meta.json").read_text(encoding="utf-8"))
    for key, good in KEYS.items():
        value = meta
        for name in key.split("."):
            value = value.get(name, "missing") if isinstance(value, dict) else "missing"
        if not good(value):
            raise ValueError(f"meta.json: {key} is {value!r}")
    return meta


def recogniser_of(meta, folder, model, num_threads):
    """As OnlineRecognizer.from_wenet_ctc, which cannot set high_freq."""
    kind, features = meta["sherpa"], {}
    if kind["high_freq"]:
        features["high_freq"] = kind["high_freq"]
    config = sherpa.OnlineRecognizerConfig(
        feat_config=sherpa.FeatureExtractorConfig(
            sampling_rate=meta["sample_rate"],
            feature_dim=kind["feature_dim"],
            **features,
        ),
        model_config=sherpa.OnlineModelConfig(
            wenet_ctc=sherpa.OnlineWenetCtcModelConfig(
                model=str(Path(folder) / model),
                chunk_size=meta["streaming"]["chunk_frames"],
                num_left_chunks=kind["num_left_chunks"],
            ),
            tokens=str(Path(folder) / "tokens.txt"),
            num_threads=num_threads,
        ),
        endpoint_config=sherpa.EndpointConfig(),
        enable_endpoint=False,
        decoding_method="greedy_search",
    )
    recogniser = OnlineRecognizer.__new__(OnlineRecognizer)
    recogniser.recognizer, recogniser.config = sherpa.OnlineRecognizer(config), config
    return recogniser


def check_tokens(folder, meta):
    """Raise ValueError if the list of tokens is not that of the model."""
    lines = (folder / "tokens.txt").read_text(encoding="utf-8").split("\n")
    if sum(map(bool, lines)) != meta["vocabulary"]:
        raise ValueError(f"tokens.txt does not have {meta['vocabulary']} tokens")


class Recogniser:
    """Samples in, text out; what has come out only grows."""

    def __init__(self, folder=HERE, model="model.onnx", num_threads=1):
        meta = read_meta(folder)
        check_tokens(Path(folder), meta)
        self.meta, self.rate = meta, meta["sample_rate"]
        self.recogniser = recogniser_of(meta, folder, model, num_threads)
        # What does not fill a chunk is never decoded, so silence has to follow.
        self.tail = np.zeros(round(meta["sherpa"]["tail_s"] * self.rate), np.float32)
        self.reset()

    def reset(self):
        """Begin the next utterance."""
        self.stream = self.recogniser.create_stream()

    def accept(self, samples, last=False):
        """Take any number of samples in [-1, 1]; return the text by now."""
        if last:
            samples = np.concatenate([samples, self.tail])
        self.stream.accept_waveform(self.rate, np.asarray(samples, np.float32))
        if last:
            self.stream.input_finished()
        while self.recogniser.is_ready(self.stream):
            self.recogniser.decode_stream(self.stream)
        return self.recogniser.get_result(self.stream).strip()


def check_whole(sound, count):
    """Raise ValueError if a file was cut off; libsndfile reads what is left of it."""
    cut, lost = CUT.search(sound.extra_info), LOST.search(sound.extra_info)
    if (
        count < 0.98 * sound.frames
        or (cut and int(cut[2]) < int(cut[1]) < UNKNOWN)
        or (lost and int(lost[1]) < int(lost[2]) < 1 << 62)
        or (sound.format == "OGG" and not ogg_ends(sound.name))
    ):
        raise ValueError("is truncated: copy or record it again")


def ogg_ends(path):
    """Tell whether the last page of an Ogg file is whole, and marked as the last."""
    with open(path, "rb") as file:
        file.seek(max(0, os.path.getsize(path) - 2 * 65307))  # of the longest page
        page = file.read().rpartition(b"OggS")[2]
    if len(page) < 23 or not page[1] & 4:
        return False
    return len(page) >= 23 + page[22] + sum(page[23 : 23 + page[22]])


def read(path, rate):
    """Return the samples of a file; ValueError says what is wrong."""
    try:
        with soundfile.SoundFile(path) as sound:
            samples, found = (
                sound.read(dtype="float32", always_2d=True),
                sound.samplerate,
            )
            check_whole(sound, len(samples))
    except (OSError, RuntimeError, TypeError, UnicodeError) as error:
        raise ValueError(f"cannot be read as audio: {error}") from None
    if found != rate or samples.shape[1] != 1:
        raise ValueError(
            f"{found} Hz and {samples.shape[1]} channel(s); the model takes {rate} Hz "
            "and one channel"
        )
    if not len(samples):
        raise ValueError("has no samples: record or copy it again")
    if not np.isfinite(samples).all():
        raise ValueError("some samples are not numbers")
    if np.abs(samples).max(initial=0.0) > LOUDEST:
        raise ValueError(
            "samples beyond [-1, 1], probably integers stored as floats: divide them "
            "by 32768"
        )
    return samples[:, 0]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0], allow_abbrev=False
    )
    parser.add_argument("files", nargs="+", help="audio of any format soundfile reads")
    parser.add_argument("--model", default="model.onnx")
    parser.add_argument("--block_ms", type=float, default=100.0)
    parser.add_argument("--num_threads", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="tokens and times as well")
    args = parser.parse_args()
    if not 0 < args.block_ms < 1e6:
        parser.error(f"--block_ms {args.block_ms:g}: must be above 0, up to 1000000")
    if args.num_threads < 1:
        parser.error(f"--num_threads {args.num_threads}: must be at least 1")
    if not (HERE / args.model).is_file():
        there = ", ".join(sorted(path.name for path in HERE.glob("*.onnx")))
        parser.error(f"--model {args.model}: no such file in {HERE}; there is {there}")
    # Whatever the terminal's encoding is, tokens may be of any script.
    sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
    try:
        recogniser = Recogniser(HERE, args.model, args.num_threads)
    except Exception as error:  # the runtimes raise a dozen types
        parser.error(
            f"--model {args.model}: {HERE} cannot be used ({error}): name a model of "
            "this folder, or copy the whole folder again"
        )
    failed = 0
    rate = recogniser.rate
    block = max(1, round(rate * args.block_ms / 1000))
    for path in args.files:
        try:
            samples = read(path, rate)
        except ValueError as error:
            print(f"{path}: {error}", file=sys.stderr)
            failed += 1
            continue
        recogniser.reset()
        for start in range(0, len(samples), block):
            recogniser.accept(samples[start : start + block])
        text = recogniser.accept(samples[:0], last=True)
        print(f"{path}\t{text}", flush=True)
        if args.json:
            kind, stream = recogniser.recogniser, recogniser.stream
            tokens, times = kind.tokens(stream), kind.timestamps(stream)
            print(json.dumps({"tokens": tokens, "times": times}), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OSError as error:  # the reader of the output is gone, or its disk is full
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141 if isinstance(error, BrokenPipeError) else str(error))
