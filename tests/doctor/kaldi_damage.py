"""Damage to a Kaldi corpus, and a run of the data check."""

import json
import shutil

import soundfile
from kaldi_corpus import RATE, edit, path_of, table

from espnet_plugin.bin import check_data


def run(folders, output, *options):
    """Return the exit status and the findings as (kind, file, line, id)."""
    status = check_data.main(
        [*map(str, folders), "--output_dir", str(output), "--fs", str(RATE), *options]
    )
    content = json.loads((output / "check_data.json").read_text())
    found = [
        (one["kind"], "/".join(one["file"].split("/")[-2:]), one["line"], one["id"])
        for one in content["findings"]
    ]
    known = content.get("expected", 0)
    assert content["errors"] + content["warnings"] + known == len(found)
    text = (output / "check_data.txt").read_text()
    for kind, file, line, name in found:
        assert kind in text and (f"{file}:{line}" if line else file) in text
    return status, found


U3 = "train-a-02"  # on line 3


def text(value):
    return lambda train, **_: edit(train, "text", 3, f"{U3} {value}")


def line(name, value, number=3):
    return lambda train, **_: edit(train, name, number, value)


def audio(change, **options):
    def damage(train, **_):
        path = path_of(train, 3)
        samples, _ = soundfile.read(path, dtype="float32")
        new, rate = change(samples)
        soundfile.write(path, new, rate, **options)

    return damage


def cut(train, **_):
    path = path_of(train, 3)
    path.write_bytes(path.read_bytes()[:9000])


def swap(name):
    def damage(train, **_):
        lines = table(train, name)
        lines[2], lines[3] = lines[3], lines[2]
        (train / name).write_text("".join(lines))

    return damage


def prefix(name, start):
    def damage(train, **_):
        path = train / name
        path.write_bytes(start + path.read_bytes())

    return damage


def crlf(train, **_):
    path = train / "text"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))


def segments(*lines):
    def damage(train, **_):
        rows = [f"{u.split()[0]} {u.split()[0]} 0 0.5\n" for u in table(train, "text")]
        for number, row in lines:
            rows[number - 1] = row + "\n"
        (train / "segments").write_text("".join(rows))

    return damage


def copy_audio(train, test, **_):
    shutil.copy(path_of(train, 3), path_of(test, 2))


def other_container(train, **_):
    samples, rate = soundfile.read(path_of(train, 3), dtype="int16")
    path = path_of(train, 5).with_suffix(".flac")
    soundfile.write(path, samples, rate)
    edit(train, "wav.scp", 5, f"train-a-04 {path}")


def copy_line(name, value=None):
    def damage(train, test, **_):
        said = table(train, name)[2].split(maxsplit=1)[1].strip()
        edit(test, name, 2, f"test-a-01 {value or said}")

    return damage


def whole_text(change):
    def damage(train, **_):
        rows = [one.split(maxsplit=1) for one in table(train, "text")]
        (train / "text").write_text(
            "".join(f"{u} {change(n, words)}" for n, (u, words) in enumerate(rows))
        )

    return damage


AT_TEXT = ("train/text", 3, U3)
AT_WAV = ("train/wav.scp", 3, U3)
