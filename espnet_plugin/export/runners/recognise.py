"""Recognise audio files with the model beside this script.

    python recognise.py FILE...

Needs numpy, soundfile and onnxruntime. One channel, at the model's rate.
"""

import argparse
import json
import os
import re
import sys
from pathlib import Path

try:
    import numpy as np
    import onnxruntime
    import soundfile
except (ImportError, OSError) as error:
    raise SystemExit(f"{error}: pip install numpy soundfile onnxruntime")

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
    "blank": whole(0),
    "drop": lambda value: isinstance(value, list),
    "token_type": lambda value: value in (None, "bpe", "char", "phn", "word"),
    "input": lambda value: value in ("samples", "features"),
    "inputs": lambda value: isinstance(value, list),
    "sample_rate": lambda value: value is None or whole(100)(value),
    "model.feature_dim": whole(1),
}
# What a model's file says of itself, by the key of meta.json.
INSIDE = {"sample_rate": "sample_rate", "blank": "blank", "vocabulary": "vocab_size"}


def read_meta(folder):
    """Return meta.json; ValueError says which value cannot be."""
    meta = json.loads((Path(folder) / "meta.json").read_text(encoding="utf-8"))
    for key, good in KEYS.items():
        value = meta
        for name in key.split("."):
            value = value.get(name, "missing") if isinstance(value, dict) else "missing"
        if not good(value):
            raise ValueError(f"meta.json: {key} is {value!r}")
    if meta["input"] == "samples" and meta["sample_rate"] is None:
        raise ValueError("meta.json: sample_rate is missing")
    tokens = [meta["blank"], *meta["drop"]]
    if not all(whole(0)(token) and token < meta["vocabulary"] for token in tokens):
        raise ValueError(f"meta.json: blank and drop are {tokens}, not tokens")
    return meta


def check_inside(meta, model, session):
    """Raise ValueError if a model's file says something else of itself."""
    said = session.get_modelmeta().custom_metadata_map
    for key, name in INSIDE.items():
        value = meta
        for part in key.split("."):
            value = value[part]
        if said.get(name, str(value)) != str(value):
            raise ValueError(
                f"meta.json: {key} is {value}, in {model} it is {said[name]}"
            )


def read(path, meta):
    """Return the samples or features of a file; ValueError says what is wrong."""
    if meta["input"] == "features":
        return features(path, meta["model"]["feature_dim"])
    try:
        with soundfile.SoundFile(path) as sound:
            samples, rate = (
                sound.read(dtype="float32", always_2d=True),
                sound.samplerate,
            )
            check_whole(sound, len(samples))
    except (OSError, RuntimeError, TypeError, UnicodeError) as error:
        raise ValueError(f"cannot be read as audio: {error}") from None
    if rate != meta["sample_rate"] or samples.shape[1] != 1:
        raise ValueError(
            f"{rate} Hz and {samples.shape[1]} channel(s); the model takes "
            f"{meta['sample_rate']} Hz and one channel. Convert it, e.g. by sox "
            f"{path} -r {meta['sample_rate']} -c 1 converted.wav"
        )
    if not len(samples) or not np.isfinite(samples).all():
        raise ValueError("no samples, or some are not numbers")
    if np.abs(samples).max() > LOUDEST:
        raise ValueError(
            "samples beyond [-1, 1], probably integers stored as floats: divide them "
            "by 32768"
        )
    return samples[:, 0]


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


def features(path, dim):
    try:
        found = np.load(path).astype(np.float32)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"cannot be read as features (.npy): {error}") from None
    if found.ndim != 2 or found.shape[1] != dim or not len(found):
        raise ValueError(
            f"has the shape {found.shape}; the model takes (frames, {dim})"
        )
    if not np.isfinite(found).all():
        raise ValueError("some features are not numbers")
    return found


def parts(samples, meta, seconds):
    """Cut long audio where it is quietest: attention needs memory by its square."""
    most = int(seconds * (meta["sample_rate"] or 100))
    while meta["input"] == "samples" and len(samples) > most:
        tenth = meta["sample_rate"] // 10
        last = samples[most // 2 : most]
        last = last[: len(last) // tenth * tenth].reshape(-1, tenth)
        cut = most // 2 + int((last**2).sum(1).argmin()) * tenth + tenth // 2
        yield samples[:cut]
        samples = samples[cut:]
    yield samples


def tokens_of(log_probs, meta):
    """Best path: the best token of each frame, repeats and blanks removed."""
    best = log_probs.argmax(axis=-1)
    keep = (best != meta["blank"]) & (np.diff(best, prepend=meta["blank"]) != 0)
    return [int(token) for token in best[keep] if token not in meta["drop"]]


def text_of(numbers, names, token_type):
    pieces = [names[number] for number in numbers]
    if token_type == "bpe":
        joined = "".join(pieces).replace("<unk>", " \u2047 ").replace("\u2581", " ")
        return joined[1:] if joined.startswith(" ") else joined
    if token_type == "char":
        return "".join(" " if piece == "<space>" else piece for piece in pieces)
    return ("" if token_type == "phn" else " ").join(pieces)


class Recogniser:
    """Audio (or features) in, text out."""

    def __init__(self, folder=HERE, model="model.onnx", num_threads=1):
        self.meta = read_meta(folder)
        lines = (Path(folder) / "tokens.txt").read_text("utf-8").split("\n")
        self.names = [line.rsplit(" ", 1)[0] for line in lines if line]
        if len(self.names) != self.meta["vocabulary"]:
            raise ValueError(f"{len(self.names)} tokens, not {self.meta['vocabulary']}")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = num_threads
        self.session = onnxruntime.InferenceSession(
            str(Path(folder) / model), options, providers=["CPUExecutionProvider"]
        )
        takes = [one.name for one in self.session.get_inputs()]
        if takes != self.meta["inputs"]:
            raise ValueError(f"it takes {takes}, not {self.meta['inputs']}")
        check_inside(self.meta, model, self.session)

    def text(self, given):
        """Return the text of samples in [-1, 1], or of features, all at once."""
        feed = (given[None], np.array([len(given)], dtype=np.int64))
        log_probs, _ = self.session.run(None, dict(zip(self.meta["inputs"], feed)))
        numbers = tokens_of(log_probs[0], self.meta)
        return text_of(numbers, self.names, self.meta["token_type"])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0], allow_abbrev=False
    )
    parser.add_argument("files", nargs="+", help="audio of any format soundfile reads")
    parser.add_argument("--model", default="model.onnx", help="or model.int8.onnx")
    parser.add_argument("--num_threads", type=int, default=1)
    parser.add_argument("--longest", type=float, default=30.0, help="seconds at once")
    args = parser.parse_args()
    if not 1 <= args.longest < 1e6:
        parser.error(f"--longest {args.longest:g}: must be from 1 to 1000000 seconds")
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
    meta, failed = recogniser.meta, 0
    for path in args.files:
        try:
            cut = parts(read(path, meta), meta, args.longest)
        except ValueError as error:
            print(f"{path}: {error}", file=sys.stderr)
            failed += 1
            continue
        texts = [recogniser.text(part) for part in cut]
        print(f"{path}\t{' '.join(filter(None, texts))}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OSError as error:  # the reader of the output is gone, or its disk is full
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141 if isinstance(error, BrokenPipeError) else str(error))
