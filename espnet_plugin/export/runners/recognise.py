"""Recognise audio files with the model beside this script.

    python recognise.py FILE...

Needs numpy, soundfile and onnxruntime. One channel, at the model's rate.
"""

import sys
from pathlib import Path

sys.dont_write_bytecode = True  # the folder stays as it was exported
try:
    import numpy as np
    import onnxruntime
    import script_parts as parts
except (ImportError, OSError) as error:
    raise SystemExit(
        f"{error}: pip install numpy soundfile onnxruntime, or copy the whole folder"
    )

HERE = Path(__file__).resolve().parent
# Keys of meta.json that are read, and which values are allowed.
KEYS = {
    "vocabulary": parts.whole(2),
    "blank": parts.whole(0),
    "drop": lambda value: isinstance(value, list),
    "token_type": lambda value: value in (None, "bpe", "char", "phn", "word"),
    "input": lambda value: value in ("samples", "features"),
    "inputs": lambda value: isinstance(value, list),
    "sample_rate": lambda value: value is None or parts.whole(100)(value),
    "model.feature_dim": parts.whole(1),
}
# Properties in a model's file, by the key of meta.json.
INSIDE = {"sample_rate": "sample_rate", "blank": "blank", "vocabulary": "vocab_size"}


def blocks_of(path, meta):
    """Read samples or features of a file; ValueError says what is wrong."""
    if meta["input"] == "samples":
        yield from parts.blocks_of(path, meta["sample_rate"], 5 * meta["sample_rate"])
        return
    try:
        found = np.load(path).astype(np.float32)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"cannot be read as features (.npy): {error}") from None
    dim = meta["model"]["feature_dim"]
    if found.ndim != 2 or found.shape[1] != dim or not len(found):
        raise ValueError(
            f"has the shape {found.shape}; the model takes (frames, {dim})"
        )
    if not np.isfinite(found).all():
        raise ValueError("some features are not numbers")
    yield found


def pieces(blocks, meta, seconds, size=None):
    """Cut long audio where it is quietest.

    The memory of attention grows with the square of the length. Only the current
    piece is kept, so that a recording of any length can be recognised. A model with an
    input of fixed size takes no longer piece.
    """
    most = int(seconds * (meta["sample_rate"] or 100))
    most = most if size is None else min(most, size)
    given = None
    for block in blocks:
        given = block if given is None else np.concatenate([given, block])
        while meta["input"] == "samples" and len(given) > most:
            tenth = meta["sample_rate"] // 10
            last = given[most // 2 : most]
            last = last[: len(last) // tenth * tenth].reshape(-1, tenth)
            cut = most // 2 + int((last**2).sum(1).argmin()) * tenth + tenth // 2
            yield given[:cut]
            given = given[cut:]
    yield given


class Recogniser:
    """Audio (or features) in, text out."""

    def __init__(self, folder=HERE, model="model.onnx", num_threads=1):
        self.meta = parts.read_meta(folder, KEYS)
        if self.meta["input"] == "samples" and self.meta["sample_rate"] is None:
            raise ValueError("meta.json: sample_rate is missing")
        self.names = parts.read_tokens(folder, self.meta)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = num_threads
        path = str(Path(folder) / model)
        self.session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )
        takes = [one.name for one in self.session.get_inputs()]
        if takes != self.meta["inputs"]:
            raise ValueError(f"it takes {takes}, not {self.meta['inputs']}")
        parts.check_inside(self.meta, path, INSIDE)
        # A number if the model takes one length only, else a name.
        size = self.session.get_inputs()[0].shape[1]
        self.size = size if isinstance(size, int) else None

    def text(self, given):
        """Return the text of samples in [-1, 1], or of features, all at once."""
        count = np.array([len(given)], dtype=np.int64)
        if self.size is not None:
            if len(given) > self.size:
                raise ValueError(
                    f"has {len(given)} frames of features, but the model takes at most "
                    f"{self.size}: use model.onnx (without --model), or divide it"
                )
            room = [(0, self.size - len(given))] + [(0, 0)] * (given.ndim - 1)
            given = np.pad(given, room)
        feed = (given[None], count)
        found, counts = self.session.run(None, dict(zip(self.meta["inputs"], feed)))
        # Best path: the best token of each frame, repeats and blanks removed.
        best, blank = found[0, : counts[0]].argmax(axis=-1), self.meta["blank"]
        best = best[(best != blank) & (np.diff(best, prepend=blank) != 0)]
        names = [self.names[n] for n in best.tolist() if n not in self.meta["drop"]]
        return parts.text_of(names, self.meta["token_type"])


def main():
    parser = parts.options(__doc__)
    parser.add_argument("--longest", type=float, default=30.0, help="seconds at once")
    args = parser.parse_args()
    if not 1 <= args.longest < 1e6:
        parser.error(f"--longest {args.longest:g}: must be from 1 to 1000000 seconds")
    recogniser = parts.loaded(parser, args, HERE, Recogniser)

    def recognise(path):
        blocks = blocks_of(path, recogniser.meta)
        cut = pieces(blocks, recogniser.meta, args.longest, recogniser.size)
        texts = map(recogniser.text, cut)
        print(f"{path}\t{' '.join(filter(None, texts))}", flush=True)

    return parts.each(args.files, recognise)


if __name__ == "__main__":
    parts.run(main)
