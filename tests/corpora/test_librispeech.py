"""Stage 1 of egs2/librispeech*: sets from the corpus's own tree, and its download.

With ESPNET_ROOT (a checkout with egs2/) ESPnet's own scripts run on the same files.
"""

import functools
import http.server
import os
import subprocess
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
from kaldi_table import table

from espnet_plugin.bin import prepare_librispeech as command
from espnet_plugin.corpora import corpus as fetching
from espnet_plugin.corpora import librispeech
from espnet_plugin.errors import UserError

ESPNET = os.environ.get("ESPNET_ROOT")

# Reader, chapter, transcripts.
TREE = {
    "dev-clean": {("84", "121123"): ["GO DO YOU HEAR", "BUT IN LESS"]},
    "dev-other": {("116", "288045"): ["AS I APPROACHED"]},
    "train-clean-100": {
        ("103", "1240"): ["CHAPTER ONE", "THAT HAD ITS SOURCE", "IT'S"],
        ("103", "1241"): ["MATTHEW CUTHBERT"],
        ("1034", "121119"): ["THE LAW"],
    },
}
SETS = ["train=train-clean-100", "dev=dev-clean+dev-other", "dev_clean=dev-clean"]


def make_corpus(root, suffix="flac"):
    wave = 0.1 * np.sin(np.arange(1600) / 5)
    base = root / "LibriSpeech"
    for part, chapters in TREE.items():
        for (reader, chapter), texts in chapters.items():
            folder = base / part / reader / chapter
            folder.mkdir(parents=True)
            lines = []
            for number, text in enumerate(texts):
                utt = f"{reader}-{chapter}-{number:04d}"
                soundfile.write(folder / f"{utt}.{suffix}", wave, 16000)
                lines.append(f"{utt} {text}\n")
            (folder / f"{reader}-{chapter}.trans.txt").write_text("".join(lines))
    readers = sorted({reader for part in TREE.values() for reader, _ in part})
    (base / "SPEAKERS.TXT").write_text(
        "".join(f"{reader:<4} | F | part | 25.03 | Name\n" for reader in readers)
    )
    return base


def run(root, *more, sets=SETS, incomplete="true"):
    cmd = ["--librispeech", str(root), "--sets", *sets]
    cmd += ["--output_dir", str(root / "data"), "--allow_incomplete", incomplete]
    return command.main([*cmd, "--download_dir", str(root / "downloads"), *more])


@pytest.mark.parametrize("suffix, inside", [("flac", ""), ("wav", "LibriSpeech")])
def test_sets(tmp_path, suffix, inside):
    base = make_corpus(tmp_path, suffix)
    assert run(tmp_path / inside, "--output_dir", str(tmp_path / "data")) == 0
    dev = table(tmp_path / "data/dev/text")
    assert dev == {
        "116-288045-0000": "AS I APPROACHED",
        "84-121123-0000": "GO DO YOU HEAR",
        "84-121123-0001": "BUT IN LESS",
    }
    train = tmp_path / "data/train"
    assert len(table(train / "text")) == 5
    assert set(table(train / "spk2utt")) == {"103-1240", "103-1241", "1034-121119"}
    assert table(train / "wav.scp")["103-1241-0000"] == str(
        base / f"train-clean-100/103/1241/103-1241-0000.{suffix}"
    )


@pytest.mark.skipif(ESPNET is None, reason="ESPNET_ROOT names no ESPnet checkout")
def test_the_same_folders_as_espnet(tmp_path):
    base = make_corpus(tmp_path)
    assert run(tmp_path) == 0
    (tmp_path / "bin").mkdir()
    flac = tmp_path / "bin/flac"  # looked for, never called
    flac.write_text("#!/bin/sh\nexit 1\n")
    flac.chmod(0o755)
    utils = Path(ESPNET) / "egs2/TEMPLATE/asr1/utils"
    (tmp_path / "utils").symlink_to(utils.resolve())
    script = (Path(ESPNET) / "egs2/librispeech/asr1/local/data_prep.sh").resolve()
    # As their data.sh does for each part, and for dev.
    commands = [
        f"{script} {base / part} theirs/{part.replace('-', '_')}" for part in TREE
    ]
    commands += ["utils/combine_data.sh theirs/dev theirs/dev_clean theirs/dev_other"]
    (tmp_path / "path.sh").write_text("")
    done = subprocess.run(
        ["bash", "-ec", "\n".join(commands)],
        cwd=tmp_path,
        env={
            **os.environ,
            "LC_ALL": "C",
            "PATH": f"{tmp_path}/bin:{utils}:{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for ours, theirs in (("train", "train_clean_100"), ("dev", "dev")):
        for file in ("wav.scp", "text", "utt2spk", "spk2utt"):
            expected = (tmp_path / "theirs" / theirs / file).read_text()
            expected = expected.replace("//", "/")  # theirs after each chapter
            assert (tmp_path / "data" / ours / file).read_text() == expected, file


def remove_audio(base):
    (base / "dev-clean/84/121123/84-121123-0001.flac").unlink()
    return "84-121123-0001: has no .flac"


def remove_line(base):
    path = base / "dev-clean/84/121123/84-121123.trans.txt"
    path.write_text(path.read_text().splitlines()[0] + "\n")
    return "84-121123-0001: has no line"


def empty_line(base):
    path = base / "dev-clean/84/121123/84-121123.trans.txt"
    path.write_text(path.read_text().replace(" GO DO YOU HEAR", ""))
    return "84-121123-0000: has an empty transcript"


def remove_chapter(base):
    folder = base / "dev-other/116/288045"
    for path in folder.iterdir():
        path.unlink()
    return "dev-other has no <reader>"


@pytest.mark.parametrize(
    "spoil", [remove_audio, remove_line, empty_line, remove_chapter]
)
def test_what_is_wrong_is_named_and_nothing_written(tmp_path, spoil, caplog):
    named = spoil(make_corpus(tmp_path))
    assert run(tmp_path) == 2
    assert named in caplog.text
    assert not (tmp_path / "data").exists()


def test_an_incomplete_part_must_be_allowed(tmp_path, caplog):
    make_corpus(tmp_path)
    assert run(tmp_path, incomplete="false") == 2
    assert "has 5 utterances, not 28539" in caplog.text


@pytest.mark.parametrize(
    "sets, named",
    [
        (["train"], "--sets train: give"),
        (["a=dev-clean", "a=dev-other"], "--sets a=dev-other"),
        (["a=dev-clean+"], "--sets a=dev-clean+"),
        (["a=dev-clean", "b=train-mini"], "part train-mini is not in --librispeech"),
    ],
)
def test_bad_sets_are_refused(tmp_path, sets, named, caplog):
    make_corpus(tmp_path)
    assert run(tmp_path, sets=sets) == 2
    assert named in caplog.text


@pytest.mark.parametrize("there", [False, True], ids=["missing", "empty"])
def test_a_wrong_folder_downloads_nothing(tmp_path, there, caplog, monkeypatch):
    monkeypatch.setattr(librispeech, "fetch_missing", pytest.fail)
    if there:
        (tmp_path / "here").mkdir()
    assert run(tmp_path / "here") == 2
    assert "LIBRISPEECH=DIR in db.sh" in caplog.text


@pytest.fixture
def server(tmp_path, monkeypatch):
    """An address that serves two parts; what was asked for is in ``.asked``."""
    make_corpus(tmp_path / "served")
    for part in ("dev-clean", "dev-other"):
        with tarfile.open(tmp_path / f"served/{part}.tar.gz", "w:gz") as tar:
            tar.add(tmp_path / "served/LibriSpeech" / part, f"LibriSpeech/{part}")

    class Handler(http.server.SimpleHTTPRequestHandler):
        asked: list = []

        def log_message(self, *args):
            self.asked.append(self.path)

    running = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=tmp_path / "served")
    )
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    monkeypatch.setenv("no_proxy", "*")
    address = f"http://127.0.0.1:{running.server_address[1]}"
    monkeypatch.setattr(librispeech, "_ADDRESS", address)
    yield Handler
    running.shutdown()
    thread.join()
    running.server_close()


def test_only_what_is_missing_is_downloaded(server, tmp_path):
    base = make_corpus(tmp_path)
    (base / "dev-other").rename(tmp_path / "elsewhere")
    assert run(tmp_path) == 0
    assert server.asked == ["/dev-other.tar.gz"]
    wavs = table(tmp_path / "data/dev/wav.scp")
    assert wavs["116-288045-0000"].startswith(str(tmp_path / "downloads/LibriSpeech"))
    assert wavs["84-121123-0000"].startswith(str(base))
    assert not list((tmp_path / "downloads").rglob("*.tar.gz"))
    assert run(tmp_path) == 0
    assert len(server.asked) == 1


def test_a_part_that_is_not_served_is_named(server, tmp_path):
    with pytest.raises(
        UserError, match="test-clean was not downloaded.*File not found"
    ):
        librispeech.find_parts(None, ["dev-clean", "test-clean"], tmp_path / "down")
    # What came before stays.
    assert (tmp_path / "down/LibriSpeech/dev-clean/84").is_dir()


def test_room_is_looked_for_before_anything_is_fetched(server, tmp_path, monkeypatch):
    class Usage:
        free = 30e9

    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda path: Usage)
    with pytest.raises(UserError, match="61 GB are needed, 30 GB are free"):
        librispeech.find_parts(None, ["train-other-500"], tmp_path / "down")
    assert not server.asked
