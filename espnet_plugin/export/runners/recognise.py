"""Recognise audio files with the model beside this script.

    python recognise.py FILE...

Needs numpy, soundfile and onnxruntime. One channel, at the model's rate.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnxruntime
import soundfile

HERE = Path(__file__).resolve().parent


def read(path, meta):
    if meta["input"] == "features":
        return np.load(path).astype(np.float32)
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    if rate != meta["sample_rate"] or samples.shape[1] != 1:
        raise SystemExit(
            f"{path}: {rate} Hz and {samples.shape[1]} channel(s); the model takes "
            f"{meta['sample_rate']} Hz and one channel. Convert it, e.g. by sox "
            f"{path} -r {meta['sample_rate']} -c 1 converted.wav"
        )
    if not len(samples) or not np.isfinite(samples).all():
        raise SystemExit(f"{path}: no samples, or some are no numbers")
    return samples[:, 0]


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


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="+", help="audio of any format soundfile reads")
    parser.add_argument("--model", default="model.onnx", help="or model.int8.onnx")
    parser.add_argument("--num_threads", type=int, default=1)
    parser.add_argument("--longest", type=float, default=30.0, help="seconds at once")
    args = parser.parse_args()
    meta = json.loads((HERE / "meta.json").read_text(encoding="utf-8"))
    lines = (HERE / "tokens.txt").read_text(encoding="utf-8").rstrip("\n").split("\n")
    names = [line.rsplit(" ", 1)[0] for line in lines]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.num_threads
    session = onnxruntime.InferenceSession(str(HERE / args.model), options)
    for path in args.files:
        texts = []
        for part in parts(read(path, meta), meta, args.longest):
            lengths = np.array([len(part)], dtype=np.int64)
            log_probs, _ = session.run(
                None, dict(zip(meta["inputs"], (part[None], lengths)))
            )
            numbers = tokens_of(log_probs[0], meta)
            texts.append(text_of(numbers, names, meta["token_type"]))
        print(f"{path}\t{' '.join(filter(None, texts))}", flush=True)


if __name__ == "__main__":
    main()
