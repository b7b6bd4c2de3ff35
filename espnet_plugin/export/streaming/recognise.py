"""Recognise speech while it comes in, with the model beside this script.

    python recognise.py FILE...        files, each an utterance
    python recognise.py mic            the microphone, until Ctrl-C
    arecord -q -f S16_LE -r 16000 -t raw | python recognise.py -

Needs numpy, soundfile and onnxruntime; the microphone sounddevice as well. Standard
input takes raw 16-bit samples. One channel, at the model's rate.
"""

import signal
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
# How sound files begin; standard input takes bare samples.
FILES = (b"RIFF", b"RIFX", b"RF64", b"FORM", b"fLaC", b"OggS", b"ID3", b".snd")
FILES += (b"riff", b"caff", b"#!AMR", b"\x1aE\xdf\xa3")
NATURAL, POSITIVE = parts.whole(0), parts.whole(1)
# Keys of meta.json that are read, and which values are allowed.
KEYS = {
    "vocabulary": parts.whole(2),
    "blank": NATURAL,
    "drop": lambda value: isinstance(value, list),
    "token_type": lambda value: value in (None, "bpe", "char", "phn", "word"),
    "sample_rate": parts.whole(100),
    **{f"streaming.{name}_frames": NATURAL for name in ("left_context", "look_ahead")},
    **{f"streaming.{name}": POSITIVE for name in ("chunk_frames", "stride", "span")},
    **{f"streaming.{name}": POSITIVE for name in ("frames", "shift", "features")},
    "streaming.caches": lambda value: isinstance(value, list),
    **{f"framing.{name}": NATURAL for name in ("before", "after", "skip", "least")},
    **{f"framing.{name}": POSITIVE for name in ("size", "hop")},
}
# Properties in a model's file, by the key of meta.json.
INSIDE = {
    **{"sample_rate": "sample_rate", "blank": "blank", "vocabulary": "vocab_size"},
    "streaming.chunk_frames": "chunk_frames",
    "streaming.left_context_frames": "left_context_frames",
    "streaming.look_ahead_frames": "look_ahead_frames",
    "streaming.stride": "subsampling_factor",
}


class Recogniser:
    """Samples in, text out; text that was returned never changes."""

    def __init__(self, folder=HERE, model="chunk.onnx", num_threads=1):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = num_threads
        self.front_end, self.chunk = (
            onnxruntime.InferenceSession(
                str(Path(folder) / name), options, providers=["CPUExecutionProvider"]
            )
            for name in ("front_end.onnx", model)
        )
        self.meta = parts.read_meta(folder, KEYS)
        self.stream, self.framing = self.meta["streaming"], self.meta["framing"]
        self.names = parts.read_tokens(folder, self.meta)
        takes = {one.name: one.shape for one in self.chunk.get_inputs()}
        if any(takes.get(c["name"]) != c["shape"] for c in self.stream["caches"]):
            raise ValueError(
                f"{model} takes {takes}, which are not the caches that meta.json "
                "lists: copy the whole folder again"
            )
        parts.check_inside(self.meta, Path(folder) / model, INSIDE)
        self.reset()

    def reset(self):
        """Begin the next utterance."""
        s = self.stream
        self.samples, self.started = np.zeros(0, np.float32), False
        self.recent = self.samples
        # Of the first call only the frames ahead of the first chunk are of use.
        self.fetch = s["look_ahead_frames"] > 0
        empty = s["shift"] - s["look_ahead_frames"] * s["stride"] if self.fetch else 0
        self.features = np.zeros((empty, s["features"]), np.float32)
        self.count = self.done = 0  # feature frames, encoder frames that came out
        self.caches = {c["name"]: np.zeros(c["shape"], "f") for c in s["caches"]}
        self.tokens, self.previous = [], self.meta["blank"]
        self.ended = False

    def accept(self, samples, last=False):
        """Take any number of samples in [-1, 1]; return the text so far."""
        best = self.log_probs(samples, last).argmax(-1)
        for token in best.tolist():
            if token != self.previous and token not in self.meta["drop"]:
                if token != self.meta["blank"]:
                    self.tokens.append(token)
            self.previous = token
        return self.text()

    def text(self):
        names = [self.names[token] for token in self.tokens]
        return parts.text_of(names, self.meta["token_type"])

    def log_probs(self, samples, last=False):
        """Return log-probabilities (frames, tokens) of the chunks that are complete."""
        s, out = self.stream, [np.zeros((0, len(self.names)), np.float32)]
        if self.ended:
            raise ValueError("the utterance has ended: call reset() before the next")
        self.add_features(parts.checked(samples), last)
        self.ended = last
        chunk, left, ahead = (
            s[f"{name}_frames"] for name in ("chunk", "left_context", "look_ahead")
        )
        total = max((self.count - s["span"]) // s["stride"] + 1, 0)
        while len(self.features) >= s["frames"] or (last and self.done < total):
            x = self.features[: s["frames"]]
            x = np.pad(x, ((0, s["frames"] - len(x)), (0, 0)))[None]
            self.features = self.features[s["shift"] :]
            present = min(total - self.done, chunk + ahead)
            counts = {"before": min(self.done, left), "present": present}
            feed = {name: np.array(n, np.int64) for name, n in counts.items()}
            found, *new = self.chunk.run(None, {"features": x, **feed, **self.caches})
            new = dict(zip(self.caches, new))
            if self.fetch:
                self.caches["frames"], self.fetch = new["frames"], False
                continue
            self.caches = new
            out.append(found[: min(chunk, present)])
            self.done += len(out[-1])
        return np.concatenate(out)

    def add_features(self, samples, last):
        f = self.framing
        self.samples = np.concatenate([self.samples, samples])
        self.recent = np.concatenate([self.recent, samples])
        self.recent = self.recent[max(0, len(self.recent) - f["after"] - f["skip"]) :]
        if not self.started and len(self.samples) >= f["least"]:
            mirrored = self.samples[f["skip"] : f["before"] + f["skip"]][::-1]
            self.samples = np.concatenate([mirrored, self.samples])
            self.started = True
        if not self.started:
            return
        if last and f["after"]:
            mirrored = self.recent[: len(self.recent) - f["skip"]][::-1]
            self.samples = np.concatenate([self.samples, mirrored])
        frames = (len(self.samples) - f["size"]) // f["hop"] + 1
        if frames < 1:
            return
        piece = self.samples[: (frames - 1) * f["hop"] + f["size"]]
        (found,) = self.front_end.run(None, {"samples": piece[None]})
        self.samples = self.samples[frames * f["hop"] :]
        self.features = np.concatenate([self.features, found[0]])
        self.count += frames


def from_stdin(block):
    rest, first = b"", True
    while data := sys.stdin.buffer.read1(2 * block):
        data = rest + data
        if first and len(data) < 8:
            rest = data
            continue
        if first and (data.startswith(FILES) or data[4:8] == b"ftyp"):
            raise ValueError(
                "standard input is a sound file, not raw samples: give its path instead"
            )
        first = False
        rest = data[len(data) // 2 * 2 :]
        yield np.frombuffer(data[: len(data) // 2 * 2], "<i2") / np.float32(32768)
    if len(rest) > 1:  # a few samples, and no more
        rest = rest[: len(rest) // 2 * 2]
        yield np.frombuffer(rest, "<i2") / np.float32(32768)


def from_microphone(rate, block):
    try:
        import sounddevice
    except (ImportError, OSError) as error:
        raise SystemExit(
            f"mic: needs the package sounddevice, and PortAudio ({error}): pip install "
            "sounddevice; or pipe samples in: arecord -q -f S16_LE -r "
            f"{rate} -t raw | python recognise.py -"
        )
    with sounddevice.InputStream(rate, block, channels=1, dtype="float32") as stream:
        while True:
            yield stream.read(block)[0][:, 0]


def main():
    parser = parts.options(__doc__, "chunk.onnx", "files, - or mic")
    parser.add_argument("--block_ms", type=float, default=100.0)
    parser.add_argument("--quiet", action="store_true", help="final texts only")
    args = parser.parse_args()
    if not 0 < args.block_ms < 1e6:
        parser.error(f"--block_ms {args.block_ms:g}: must be above 0, up to 1000000")
    recogniser = parts.loaded(parser, args, HERE, Recogniser)
    rate, stopped = recogniser.meta["sample_rate"], []
    block = max(1, round(rate * args.block_ms / 1000))

    def stop(*_):  # the first Ctrl-C ends the audio, the second one the program
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stopped.append(True)

    def recognise(name):
        if name in ("-", "mic"):
            signal.signal(signal.SIGINT, stop)
            live = from_stdin(block) if name == "-" else from_microphone(rate, block)
            blocks = iter(live)
        else:
            blocks = parts.blocks_of(name, rate, block)
        recogniser.reset()
        shown = ""
        for samples in blocks:
            text = recogniser.accept(samples)
            if text != shown and not args.quiet:
                print(text, end="\r" if sys.stdout.isatty() else "\n", flush=True)
                shown = text
            if stopped:
                break
        print(recogniser.accept([], last=True), flush=True)

    return parts.each(args.files, recognise, empty_lines=True)


if __name__ == "__main__":
    parts.run(main)
