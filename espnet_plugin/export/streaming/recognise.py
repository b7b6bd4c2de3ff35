"""Recognise speech while it comes in, with the model beside this script.

    python recognise.py FILE...        files, each an utterance
    python recognise.py mic            the microphone, until Ctrl-C
    arecord -q -f S16_LE -r 16000 -t raw | python recognise.py -

Needs numpy, soundfile and onnxruntime; the microphone sounddevice as well. Standard
input takes raw 16-bit samples. One channel, at the model's rate.
"""

import argparse
import json
import os
import re
import signal
import sys
from pathlib import Path

try:
    import numpy as np
    import onnxruntime
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
# How sound files begin; standard input takes bare samples.
FILES = (b"RIFF", b"RF64", b"FORM", b"fLaC", b"OggS")


def whole(least):
    """Return what tells whether a value is a whole number from ``least`` on."""
    return lambda value: type(value) is int and least <= value < 1 << 31


# What is read of meta.json, and what it may be.
KEYS = {
    "vocabulary": whole(2),
    "blank": whole(0),
    "drop": lambda value: isinstance(value, list),
    "token_type": lambda value: value in (None, "bpe", "char", "phn", "word"),
    "sample_rate": whole(100),
    **{f"streaming.{name}_frames": whole(0) for name in ("left_context", "look_ahead")},
    **{f"streaming.{name}": whole(1) for name in ("chunk_frames", "stride", "span")},
    **{f"streaming.{name}": whole(1) for name in ("frames", "shift", "features")},
    "streaming.caches": lambda value: isinstance(value, list),
    **{f"framing.{name}": whole(0) for name in ("before", "after", "skip", "least")},
    **{f"framing.{name}": whole(1) for name in ("size", "hop")},
}
# What a model's file says of itself, by the key of meta.json.
INSIDE = {
    **{"sample_rate": "sample_rate", "blank": "blank", "vocabulary": "vocab_size"},
    "streaming.chunk_frames": "chunk_frames",
    "streaming.left_context_frames": "left_context_frames",
    "streaming.look_ahead_frames": "look_ahead_frames",
    "streaming.stride": "subsampling_factor",
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


def checked(samples):
    """Return samples as the network takes them; ValueError says what is wrong."""
    samples = np.asarray(samples)
    if samples.ndim != 1 or (len(samples) and samples.dtype.kind != "f"):
        raise ValueError(
            f"{samples.dtype} of the shape {samples.shape}; the model takes one "
            "channel of floating-point samples in [-1, 1]"
        )
    if not np.isfinite(samples).all():
        raise ValueError("some samples are not numbers")
    if np.abs(samples).max(initial=0.0) > LOUDEST:
        raise ValueError(
            "samples beyond [-1, 1], probably integers stored as floats: divide them "
            "by 32768"
        )
    return samples.astype(np.float32)


class Recogniser:
    """Samples in, text out; what has come out only grows."""

    def __init__(self, folder=HERE, model="chunk.onnx", num_threads=1):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = num_threads
        self.front_end, self.chunk = (
            onnxruntime.InferenceSession(
                str(Path(folder) / name), options, providers=["CPUExecutionProvider"]
            )
            for name in ("front_end.onnx", model)
        )
        self.meta = read_meta(folder)
        self.stream, self.framing = self.meta["streaming"], self.meta["framing"]
        tokens = (Path(folder) / "tokens.txt").read_text(encoding="utf-8")
        self.names = [line.rsplit(" ", 1)[0] for line in tokens.split("\n") if line]
        takes = {one.name: one.shape for one in self.chunk.get_inputs()}
        if any(takes.get(c["name"]) != c["shape"] for c in self.stream["caches"]):
            raise ValueError(f"{model} takes {takes}, which are not the caches")
        check_inside(self.meta, model, self.chunk)
        if len(self.names) != self.meta["vocabulary"]:
            raise ValueError(f"{len(self.names)} tokens, not {self.meta['vocabulary']}")
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
        """Take any number of samples in [-1, 1]; return the text by now."""
        best = self.log_probs(samples, last).argmax(-1)
        for token in best.tolist():
            if token != self.previous and token not in self.meta["drop"]:
                if token != self.meta["blank"]:
                    self.tokens.append(token)
            self.previous = token
        return self.text()

    def text(self):
        pieces, kind = [self.names[t] for t in self.tokens], self.meta["token_type"]
        if kind == "bpe":
            joined = "".join(pieces).replace("<unk>", " \u2047 ").replace("\u2581", " ")
            return joined[1:] if joined.startswith(" ") else joined
        if kind == "char":
            return "".join(" " if piece == "<space>" else piece for piece in pieces)
        return ("" if kind == "phn" else " ").join(pieces)

    def log_probs(self, samples, last=False):
        """Return log-probabilities (frames, tokens) of the chunks that are complete."""
        s, out = self.stream, [np.zeros((0, len(self.names)), np.float32)]
        if self.ended:
            raise ValueError("the utterance has ended: call reset() before the next")
        self.add_features(checked(samples), last)
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


def from_file(path, rate, block):
    try:
        import soundfile
    except (ImportError, OSError) as error:
        raise SystemExit(f"{error}: pip install soundfile")

    class Sequential(soundfile.SoundFile):
        """Does not seek after a block, which spoils the next samples of an MP3."""

        def seekable(self):
            return False

    try:
        sound = Sequential(path)
    except (OSError, RuntimeError, TypeError, UnicodeError) as error:
        raise ValueError(f"cannot be read as audio: {error}") from None
    with sound:
        if sound.samplerate != rate or sound.channels != 1:
            raise ValueError(
                f"{sound.samplerate} Hz and {sound.channels} channel(s); the model "
                f"takes {rate} Hz and one channel. Convert it, e.g. by sox {path} -r "
                f"{rate} -c 1 converted.wav"
            )
        check_whole(sound, sound.frames)
        count = 0
        try:
            while len(samples := sound.read(block, dtype="float32")):
                count += len(samples)
                yield samples
        except RuntimeError as error:
            raise ValueError(f"cannot be decoded: {error}") from None
        if not count:
            raise ValueError("has no samples: record or copy it again")
        if sound.frames < 1 << 62:  # else it does not say how long it is
            check_whole(sound, count)


def from_stdin(block):
    rest, first = b"", True
    while data := sys.stdin.buffer.read1(2 * block):
        data = rest + data
        if first and len(data) < 4:
            rest = data
            continue
        if first and data[:4] in FILES:
            raise ValueError(
                "standard input is a sound file, not raw samples: give its path instead"
            )
        first = False
        rest = data[len(data) // 2 * 2 :]
        yield np.frombuffer(data[: len(data) // 2 * 2], "<i2") / np.float32(32768)
    if len(rest) > 1:  # a single sample
        yield np.frombuffer(rest[:2], "<i2") / np.float32(32768)


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
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0], allow_abbrev=False
    )
    parser.add_argument("audio", nargs="+", help="files, - or mic")
    parser.add_argument("--model", default="chunk.onnx", help="or chunk.int8.onnx")
    parser.add_argument("--block_ms", type=float, default=100.0)
    parser.add_argument("--num_threads", type=int, default=1)
    parser.add_argument("--quiet", action="store_true", help="final texts only")
    args = parser.parse_args()
    if not 0 < args.block_ms < 1e6:
        parser.error(f"--block_ms {args.block_ms:g}: must be above 0, up to 1000000")
    if args.num_threads < 1:
        parser.error(f"--num_threads {args.num_threads}: must be at least 1")
    if not (HERE / args.model).is_file():
        there = ", ".join(sorted(path.name for path in HERE.glob("chunk*.onnx")))
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
    rate, stopped, failed = recogniser.meta["sample_rate"], [], 0
    block = max(1, round(rate * args.block_ms / 1000))

    def stop(*_):  # the first Ctrl-C ends the audio, the second one the program
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stopped.append(True)

    for name in args.audio:
        if name in ("-", "mic"):
            signal.signal(signal.SIGINT, stop)
            live = from_stdin(block) if name == "-" else from_microphone(rate, block)
            blocks = iter(live)
        else:
            blocks = from_file(name, rate, block)
        try:
            recognise(recogniser, blocks, stopped, args.quiet)
        except ValueError as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed += 1
            if len(args.audio) > 1:
                print(flush=True)  # its line, so that the others keep theirs
    return 1 if failed else 0


def recognise(recogniser, blocks, stopped, quiet):
    """Print what is recognised in an utterance; ValueError says what is wrong."""
    recogniser.reset()
    shown = ""
    for samples in blocks:
        text = recogniser.accept(samples)
        if text != shown and not quiet:
            print(text, end="\r" if sys.stdout.isatty() else "\n", flush=True)
            shown = text
        if stopped:
            break
    print(recogniser.accept([], last=True), flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OSError as error:  # the reader of the output is gone, or its disk is full
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141 if isinstance(error, BrokenPipeError) else str(error))
