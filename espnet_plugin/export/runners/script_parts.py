"""What the scripts of an export share: checks of meta.json and audio, and options.

Needs numpy; soundfile only for reading files.
"""

import argparse
import json
import os
import re
import sys
from pathlib import Path

import numpy as np

# Louder than any audio in [-1, 1]: integers that were stored as floats.
LOUDEST = 32.0
# "data : 64000 (should be 38382)": how libsndfile logs what a truncated file lacks.
CUT = re.compile(r"(?:data|SSND|riff|Data Size)\s*:\s*(\d+) \(should be (\d+)\)")
UNKNOWN = 0x7FFF0000  # from here on, lengths of files that were written into a pipe
# The same of RF64: samples there, and samples announced.
LOST = re.compile(r"frame count (\d+) does not match value from 'ds64' chunk of (\d+)")
BYTE = re.compile(r"<0x([0-9A-F]{2})>")  # a token of SentencePiece's byte fallback
GRAPH = b"\xd6\xfd\xb2\x7e"  # how OpenFst's files begin
# A whole or decimal number among the properties at the end of an ONNX file.
PROPERTY = re.compile(rb"\n[\x01-\x1f]([a-z_]+)\x12[\x01-\x1f](-?[0-9.]+)")


def whole(least):
    """Return a function that checks whether a value is a whole number from least."""
    return lambda value: type(value) is int and least <= value < 1 << 31


def number(least, most):
    """Return a function that checks whether a value is a number in a range."""
    return lambda value: type(value) in (int, float) and least <= value <= most


def value_of(meta, key):
    """Return the value of a key such as ``model.feature_dim``."""
    for name in key.split("."):
        meta = meta.get(name, "missing") if isinstance(meta, dict) else "missing"
    return meta


def read_meta(folder, keys):
    """Return meta.json; ValueError says which value is not allowed.

    ``keys`` has a function for each key that checks whether a value is allowed.
    """
    meta = json.loads((Path(folder) / "meta.json").read_text(encoding="utf-8"))
    for key, good in keys.items():
        if not good(value_of(meta, key)):
            raise ValueError(f"meta.json: {key} is {value_of(meta, key)!r}")
    tokens = [meta["blank"], *meta["drop"]] if "blank" in keys else []
    if not all(whole(0)(token) and token < meta["vocabulary"] for token in tokens):
        raise ValueError(f"meta.json: blank and drop are {tokens}, not tokens")
    return meta


def check_inside(meta, path, inside):
    """Raise ValueError if the properties in a model's file differ from meta.json.

    ``inside`` has the names of numbers in the file by keys of meta.json.
    """
    with open(path, "rb") as file:
        file.seek(max(0, os.path.getsize(path) - 65536))
        said = {key.decode(): n.decode() for key, n in PROPERTY.findall(file.read())}
    for key, name in inside.items():
        value = value_of(meta, key)
        if name in said and float(said[name]) != (value or 0):
            raise ValueError(
                f"meta.json: {key} is {value}, in {Path(path).name} it is {said[name]}"
            )


def read_tokens(folder, meta):
    """Return the tokens; ValueError if they are not those of the model."""
    lines = (Path(folder) / "tokens.txt").read_text(encoding="utf-8").split("\n")
    names = [line.rsplit(" ", 1)[0] for line in lines if line]
    if len(names) != meta["vocabulary"]:
        raise ValueError(f"tokens.txt does not have {meta['vocabulary']} tokens")
    return names


def text_of(names, token_type):
    """Return the text of tokens, as ESPnet and SentencePiece write it."""
    if token_type == "bpe":
        text, run = "", b""
        for name in [*names, ""]:
            byte = BYTE.fullmatch(name)
            if byte:
                run += bytes([int(byte[1], 16)])
                continue
            letters, run = run.decode("utf-8", "surrogateescape"), b""
            text += re.sub("[\udc80-\udcff]", "\ufffd", letters)
            piece = name.replace("\u2581", " ")
            piece = piece if text else piece.removeprefix(" ")
            text += " \u2047 " if name == "<unk>" else piece
        return text
    if token_type == "char":
        return "".join(" " if name == "<space>" else name for name in names)
    return ("" if token_type == "phn" else " ").join(names)


def sound_file(path, rate):
    """Open a sound file; ValueError if the model cannot take it."""
    try:
        import soundfile
    except (ImportError, OSError) as error:
        raise SystemExit(f"{error}: pip install soundfile")

    class Sequential(soundfile.SoundFile):
        """Does not seek after a block, which spoils the next samples of an MP3."""

        def seekable(self):
            return False

    # libsndfile says "System error" of both; "-" is standard input.
    if isinstance(path, (str, os.PathLike)) and path != "-":
        if os.path.isdir(path):
            raise ValueError("is a folder: name its files")
        if not os.path.exists(path):
            raise ValueError("there is no such file")
    try:
        sound = Sequential(path)
    except (OSError, RuntimeError, TypeError, UnicodeError) as error:
        raise ValueError(f"cannot be read as audio: {error}") from None
    if sound.samplerate != rate or sound.channels != 1:
        raise ValueError(
            f"{sound.samplerate} Hz and {sound.channels} channel(s); the model takes "
            f"{rate} Hz and one channel. Convert it, e.g. by sox {path} -r {rate} -c 1 "
            "converted.wav"
        )
    return sound


def blocks_of(path, rate, block):
    """Read a file block by block; ValueError says what is wrong with it."""
    with sound_file(path, rate) as sound:
        check_whole(sound, sound.frames)
        count = 0
        try:
            while len(samples := sound.read(block, dtype="float32")):
                count += len(samples)
                yield checked(samples)
        except RuntimeError as error:
            raise ValueError(f"cannot be decoded: {error}") from None
        if not count:
            raise ValueError("has no samples: record or copy it again")
        if sound.frames < 1 << 62:  # else it does not say how long it is
            check_whole(sound, count)


def read(path, rate):
    """Return the samples of a file; ValueError says what is wrong with it."""
    return np.concatenate(list(blocks_of(path, rate, 60 * rate)))


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
    if not os.path.isfile(path):  # "-", standard input for libsndfile, or a pipe
        return True
    with open(path, "rb") as file:
        file.seek(max(0, os.path.getsize(path) - 2 * 65307))  # of the longest page
        page = file.read().rpartition(b"OggS")[2]
    if len(page) < 23 or not page[1] & 4:
        return False
    return len(page) >= 23 + page[22] + sum(page[23 : 23 + page[22]])


def options(doc, model="model.onnx", files="audio of any format soundfile reads"):
    """Return a parser with the options of all scripts."""
    parser = argparse.ArgumentParser(description=doc.split("\n")[0], allow_abbrev=False)
    parser.add_argument("files", nargs="+", help=files)
    other = model.replace(".onnx", ".int8.onnx")
    parser.add_argument("--model", default=model, help=f"or {other}")
    parser.add_argument("--num_threads", type=int, default=1)
    return parser


def sherpa_options(doc):
    """Return a parser with the options of the scripts for files in sherpa-onnx."""
    parser = options(doc)
    parser.add_argument("--times", action="store_true", help="seconds of each token")
    parser.add_argument("--graph", default="", help="hotwords.fst: words to expect")
    return parser


def loaded(parser, args, folder, recogniser):
    """Return the recogniser of a folder, or end with a message about an option."""
    if args.num_threads < 1:
        parser.error(f"--num_threads {args.num_threads}: must be at least 1")
    if not (folder / args.model).is_file():
        there = ", ".join(sorted(path.name for path in folder.glob("*.onnx")))
        parser.error(
            f"--model {args.model}: no such file in {folder}; there is {there}"
        )
    # Whatever the terminal's encoding is, tokens may be of any script.
    sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
    try:
        return recogniser(folder, args.model, args.num_threads)
    except Exception as error:  # the runtimes raise a dozen types
        parser.error(
            f"--model {args.model}: {folder} cannot be used ({error}): name a model "
            "of this folder, or copy the whole folder again"
        )


def check_graph(parser, path):
    """End with a message if a graph is none; sherpa-onnx would end without one."""
    try:
        if not path or Path(path).read_bytes()[:4] == GRAPH:
            return
        why = "this is no graph"
    except OSError as error:
        why = error.strerror
    parser.error(
        f"--graph {path}: {why}; python -m espnet_plugin.bin.context_graph makes one"
    )


def each(files, recognise, empty_lines=False):
    """Recognise files; name those that cannot be used, and return the status."""
    status = 0
    for path in files:
        try:
            recognise(path)
        except ValueError as error:
            print(f"{path}: {error}", file=sys.stderr)
            status = 1
            if empty_lines and len(files) > 1:
                print(flush=True)  # its line, so that the others keep theirs
    return status


def run(main):
    """Run a script until it ends."""
    try:
        sys.exit(main())
    except OSError as error:  # the reader of the output is gone, or its disk is full
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141 if isinstance(error, BrokenPipeError) else str(error))
