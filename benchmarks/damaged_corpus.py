"""Small valid corpora of noise, and ways to damage them at random."""

import os
import unicodedata
from pathlib import Path

import numpy as np
import soundfile

RATE = 16000
WORDS = "ONE TWO THREE FOUR FIVE SIX SEVEN EIGHT NINE ZERO".split()
SETS = {"train": 12, "dev": 4, "test": 4}

# What people's tables hold by accident.
CHARACTERS = (
    "\u00a0\u2007\u202f\u3000\u2028\u2029\u1680\u205f\u0085\t\v\f\x1c\x1f\r "
    "\u200b\u200c\u200d\u200e\u200f\u202e\u2060\ufeff\u00ad\u034f\ufe0f\u180e\u3164"
    "\0\x01\x07\x1b\x7f\x92\ufffd\uffff\U0010ffff\U000e0041"
    "\u0301\u0308e\u00e9\u00c5\u212b\uac00\u1100\u0e01\u4e00\u0627\U0001f600"
    "<>[]{}()|;/\\%#&*?'\"`$-_~=,.:!@^+09"
)

IDS = (
    "../../out", "/tmp/out", "a/b", ".", "..", "-", "--fs", "a%2Fb", "~", "$(id)",
    "`id`", "a;b", "*", "u" * 300, "\u200bu", "e\u0301", "u|", "a\\b", "con", "#u",
    "u\x01",
)  # fmt: skip

SYMBOLS = (
    "<unk>",
    "<blank>",
    "<sos/eos>",
    "<space>",
    "<s>",
    "[laugh]",
    "{um}",
    "\u2581",
)

CONTAINERS = (
    ("WAV", "PCM_16"), ("WAV", "FLOAT"), ("WAV", "ULAW"), ("FLAC", "PCM_16"),
    ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", None), ("AIFF", "PCM_16"),
    ("AU", "PCM_16"), ("CAF", "PCM_16"), ("NIST", "PCM_16"), ("W64", "PCM_16"),
    ("RF64", "PCM_16"), ("WAV", "IMA_ADPCM"), ("WAV", "GSM610"), ("AU", "G721_32"),
)  # fmt: skip

SEGMENTS = (
    "{u} {r} 0 0.5", "{u} {r} 0.5 0.2", "{u} {r} 0 99", "{u} {r} 9 10", "{u} {r} nan 1",
    "{u} {r} -1 0.5", "{u} {r} 0 inf", "{u} {r} 0 -1", "{u} x 0 0.5", "{u} {r} 0",
    "{u}",
    "{u} {r} 0 0.5 A", "{u} {r} 1e400 2", "{u} {r} 0.0 0.0", "{u} {r} 0,1 0,5",
)  # fmt: skip


class Corpus:
    """Folders of noise that are to be damaged."""

    def __init__(self, root: Path, rng: np.random.Generator):
        self.root, self.rng, self.done = root, rng, []
        for name, count in SETS.items():
            (root / "data" / name).mkdir(parents=True)
            (root / "wav").mkdir(exist_ok=True)
            rows = {"wav.scp": [], "text": [], "utt2spk": []}
            for n in range(count):
                utt = f"{name}-{n:02d}"
                path = root / "wav" / f"{utt}.wav"
                samples = 0.1 * rng.standard_normal(int(RATE * rng.uniform(0.6, 0.9)))
                soundfile.write(path, samples.clip(-0.9, 0.9), RATE)
                words = " ".join(rng.choice(WORDS, 2))
                for table, value in zip(rows, (path, words, f"{name}-s")):
                    rows[table].append(f"{utt} {value}\n")
            for table, lines in rows.items():
                self.table(name, table).write_text("".join(lines))

    def table(self, name: str, table: str) -> Path:
        return self.root / "data" / name / table

    def one(self, items):
        return items[int(self.rng.integers(len(items)))]

    def lines(self, path: Path) -> list[bytes]:
        return path.read_bytes().split(b"\n")[:-1] if path.is_file() else []

    def write(self, path: Path, lines: list[bytes]) -> None:
        path.write_bytes(b"".join(line + b"\n" for line in lines))

    def place(self, tables=("wav.scp", "text", "utt2spk")) -> tuple[Path, list, int]:
        path = self.table(self.one(list(SETS)), self.one(tables))
        lines = self.lines(path)
        return path, lines, int(self.rng.integers(max(1, len(lines))))

    def audio(self) -> Path:
        found = sorted((self.root / "wav").iterdir())
        return self.one(found)


def character(c: Corpus) -> str:
    path, lines, n = c.place(("text",))
    new = c.one(CHARACTERS)
    text = lines[n].decode("utf-8", "surrogateescape")
    at = int(c.rng.integers(text.find(" ") + 1, len(text) + 1))
    lines[n] = (text[:at] + new + text[at:]).encode("utf-8", "surrogateescape")
    c.write(path, lines)
    return f"U+{ord(new):04X} in a transcript"


def byte(c: Corpus) -> str:
    path, lines, n = c.place()
    line = bytearray(lines[n] or b" ")
    line[int(c.rng.integers(len(line)))] = int(c.rng.integers(256))
    c.write(path, [*lines[:n], bytes(line), *lines[n + 1 :]])
    return "a byte of a table"


def line(c: Corpus) -> str:
    path, lines, n = c.place()
    what = c.one(("twice", "gone", "empty", "value gone", "swapped", "joined"))
    if what == "twice":
        lines.insert(n, lines[n])
    elif what == "gone":
        del lines[n]
    elif what == "empty":
        lines[n] = b""
    elif what == "value gone":
        lines[n] = lines[n].split(b" ")[0]
    elif what == "swapped":
        lines[n], lines[0] = lines[0], lines[n]
    else:
        lines[n : n + 2] = [b" ".join(lines[n : n + 2])]
    c.write(path, lines)
    return f"a line of a table {what}"


def whole(c: Corpus) -> str:
    path, lines, _ = c.place()
    what = c.one(
        ("CRLF", "CR", "BOM", "UTF-16", "Latin-1", "cut", "gone", "empty", "folder",
         "no last line end", "binary", "tabs", "lower case", "NFD", "a copy of train's")
    )  # fmt: skip
    content = path.read_bytes() if path.is_file() else b""
    text = content.decode("utf-8", "replace")
    if what == "gone":
        path.unlink(missing_ok=True)
    elif what == "folder":
        path.unlink(missing_ok=True)
        path.mkdir()
    elif what == "a copy of train's":
        train = c.table("train", path.name)
        if train.is_file():
            path.write_bytes(train.read_bytes())
    else:
        path.write_bytes(
            {
                "CRLF": content.replace(b"\n", b"\r\n"),
                "CR": content.replace(b"\n", b"\r"),
                "BOM": b"\xef\xbb\xbf" + content,
                "UTF-16": text.encode("utf-16"),
                "Latin-1": text.replace("O", "\u00d6").encode("latin-1", "replace"),
                "cut": content[: len(content) * 2 // 3],
                "empty": b"",
                "no last line end": content[:-1],
                "binary": os.urandom(0) + bytes(c.rng.integers(0, 256, 3000, "u1")),
                "tabs": content.replace(b" ", b"\t"),
                "lower case": content if path.name != "text" else text.lower().encode(),
                "NFD": unicodedata.normalize(
                    "NFD", text.replace("O", "\u00d6")
                ).encode(),
            }[what]
        )
    return f"{path.name}: {what}"


def name(c: Corpus) -> str:
    set_name = c.one(list(SETS))
    n, new = int(c.rng.integers(SETS[set_name])), c.one(IDS)
    for table in ("wav.scp", "text", "utt2spk"):
        path = c.table(set_name, table)
        lines = c.lines(path)
        if n < len(lines):
            lines[n] = new.encode() + b" " + lines[n].partition(b" ")[2]
            c.write(path, lines)
    return f"the name {new[:20]!r}"


def symbol(c: Corpus) -> str:
    path, lines, n = c.place(("text",))
    new = c.one(SYMBOLS)
    lines[n] += b" " + new.encode()
    c.write(path, lines)
    return f"{new} in a transcript"


def scp(c: Corpus) -> str:
    path, lines, n = c.place(("wav.scp",))
    new = c.one(
        ("/nowhere.wav", "/", "wav.ark:12", "cat /dev/null |", "false |", "-", "|", "~",
         "/dev/zero", "/dev/null", "/proc/self/mem", "a\0b", "x" * 5000, "http://x/y")
    )  # fmt: skip
    lines[n] = lines[n].split(b" ")[0] + b" " + new.encode()
    c.write(path, lines)
    return f"{new[:20]!r} in wav.scp"


def sound(c: Corpus) -> str:
    path = c.audio()
    samples, _ = (
        soundfile.read(path, dtype="float32") if path.stat().st_size else ([], 0)
    )
    container, subtype = c.one(CONTAINERS)
    what = c.one(("as it is", "cut", "cut", "byte", "8000 Hz", "stereo", "NaN", "loud"))
    rate, options = RATE, dict(format=container, subtype=subtype)
    if what == "8000 Hz":
        rate = 8000
    elif what == "stereo" and subtype not in ("GSM610", "G721_32"):
        samples = np.stack([samples, samples], 1)
    elif what == "NaN":
        samples, options = np.full(9000, np.nan), dict(format="WAV", subtype="FLOAT")
    elif what == "loud":
        samples, options = 9000 * np.array(samples), dict(format="WAV", subtype="FLOAT")
    soundfile.write(path, samples, rate, **options)
    content = bytearray(path.read_bytes())
    if what == "cut":
        content = content[: int(len(content) * c.rng.uniform(0.05, 0.95))]
    elif what == "byte":
        content[int(c.rng.integers(min(60, len(content))))] = int(c.rng.integers(256))
    path.write_bytes(content)
    return f"{options['format']} {options['subtype']}: {what}"


def audio(c: Corpus) -> str:
    path = c.audio()
    what = c.one(
        ("empty", "text", "gone", "silence", "one sample", "random", "unreadable")
    )
    if what in ("silence", "one sample"):
        soundfile.write(path, np.zeros(9000 if what == "silence" else 1), RATE)
    elif what == "gone":
        path.unlink()
    elif what == "unreadable":
        path.unlink()
        os.mkfifo(path)
    else:
        random = bytes(c.rng.integers(0, 256, 5000, "u1"))
        path.write_bytes({"empty": b"", "text": b"hello\n", "random": random}[what])
    return f"a file: {what}"


def segments(c: Corpus) -> str:
    set_name = c.one(list(SETS))
    names = [row.split(b" ")[0].decode("utf-8", "replace")
             for row in c.lines(c.table(set_name, "wav.scp"))]  # fmt: skip
    rows = [f"{u} {u} 0 0.55" for u in names] or ["x x 0 1"]
    n, form = int(c.rng.integers(len(rows))), c.one(SEGMENTS)
    rows[n] = form.format(u=names[n] if names else "x", r=names[n] if names else "x")
    c.table(set_name, "segments").write_text("".join(f"{row}\n" for row in rows))
    return f"segments: {form}"


DAMAGES = (character, character, byte, line, whole, name, symbol, scp, sound, sound,
           audio, segments)  # fmt: skip
