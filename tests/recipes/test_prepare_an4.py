"""Stage 1 of egs2/an4: data folders from the corpus's own tree, and its download."""

import http.server
import os
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from espnet_plugin.errors import UserError

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "egs2/an4/encrl1"

# Speaker: number of utterances. Every second speaker is a man, as the initial says.
TRAIN = {"fash": 2, "fbbh": 1, "ffmm": 3, "mblb": 2, "mdxn": 1, "mwhw": 2}
TEST = {"fcaw": 2, "mmxg": 1}


@pytest.fixture(scope="module", autouse=True)
def local_on_path():
    sys.path.insert(0, str(RECIPE / "local"))
    yield
    sys.path.remove(str(RECIPE / "local"))


def make_corpus(root: Path, suffix: str = "sph", marks: bool = True) -> Path:
    """Write a corpus of short tones in AN4's layout."""
    times = np.arange(1600) / 16000
    tone = 0.1 * np.sin(2 * np.pi * 440 * times)
    for part, folder, speakers in (
        ("train", "an4_clstk", TRAIN),
        ("test", "an4test_clstk", TEST),
    ):
        fileids, transcripts = [], []
        for speaker, number in speakers.items():
            (root / "wav" / folder / speaker).mkdir(parents=True)
            for index in range(number):
                name = f"an{index + 1}-{speaker}-b"
                fileids.append(f"{folder}/{speaker}/{name}")
                words = f"GO {'YES ' * index}".strip()
                transcripts.append(
                    f"<s> {words} </s> ({name})"
                    if marks and part == "train"
                    else f"{words} ({name})"
                )
                soundfile.write(
                    root / "wav" / f"{fileids[-1]}.{suffix}",
                    tone,
                    16000,
                    subtype="PCM_16",
                    format="NIST" if suffix == "sph" else None,
                )
        (root / "etc").mkdir(exist_ok=True)
        (root / "etc" / f"an4_{part}.fileids").write_text("\n".join(fileids) + "\n")
        (root / "etc" / f"an4_{part}.transcription").write_text(
            "\n".join(transcripts) + "\n"
        )
    return root


@pytest.fixture
def corpus(tmp_path):
    return make_corpus(tmp_path / "an4")


def prepare(corpus, output, *options):
    import prepare_an4

    return prepare_an4.main(
        ["--an4", f"{corpus}", "--output_dir", f"{output}", *options]
    )


def table(path):
    return dict(line.split(maxsplit=1) for line in path.read_text().splitlines())


@pytest.mark.parametrize("suffix, marks", [("sph", True), ("flac", False)])
def test_counts_texts_and_audio(tmp_path, suffix, marks):
    corpus = make_corpus(tmp_path / "an4", suffix, marks)
    assert prepare(corpus, tmp_path / "data", "--dev_speakers", "2") == 0
    numbers = {}
    for name in ("train", "dev", "test"):
        folder = tmp_path / "data" / name
        wavs, text, utt2spk = (
            table(folder / f) for f in ("wav.scp", "text", "utt2spk")
        )
        assert list(wavs) == sorted(wavs) == list(text) == list(utt2spk)
        assert all(soundfile.info(path).frames == 1600 for path in wavs.values())
        assert all(utt.startswith(f"{spk}-") for utt, spk in utt2spk.items())
        back = {
            utt: spk
            for spk, utts in table(folder / "spk2utt").items()
            for utt in utts.split()
        }
        assert back == utt2spk
        numbers[name] = len(text)
    assert numbers["test"] == sum(TEST.values())
    assert numbers["train"] + numbers["dev"] == sum(TRAIN.values())
    # Of six speakers in order, the middle ones of two groups of three.
    assert numbers["dev"] == TRAIN["fbbh"] + TRAIN["mdxn"]
    train = table(tmp_path / "data/train/text")
    assert train["ffmm-an3-ffmm-b"] == "GO YES YES"


@pytest.mark.parametrize("number", [1, 2, 3, 5])
def test_dev_speakers_are_held_out_and_spread(corpus, tmp_path, number):
    assert prepare(corpus, tmp_path / "data", "--dev_speakers", f"{number}") == 0
    train, dev, test = (
        set(table(tmp_path / "data" / name / "utt2spk").values())
        for name in ("train", "dev", "test")
    )
    assert len(dev) == number
    assert train | dev == set(TRAIN)
    assert not train & dev and not test & (train | dev)
    if number > 1:
        assert {name[0] for name in dev} == {"f", "m"}


@pytest.mark.parametrize("number", ["0", "6", "-1"])
def test_number_of_dev_speakers_must_fit(corpus, tmp_path, number, caplog):
    assert prepare(corpus, tmp_path / "data", "--dev_speakers", number) == 2
    assert f"--dev_speakers {number}" in caplog.text and "6 training" in caplog.text
    assert not (tmp_path / "data").exists()


def test_some_speakers_alone_are_transcribed(corpus, tmp_path):
    options = ("--dev_speakers", "1", "--transcribed_speakers", "2")
    assert prepare(corpus, tmp_path / "data", *options) == 0
    whole, few, rest = (
        tmp_path / "data" / name
        for name in ("train", "train_transcribed", "train_untranscribed")
    )
    told, theirs, others = (table(f / "utt2spk") for f in (whole, few, rest))
    assert {**theirs, **others} == told and not theirs.keys() & others.keys()
    assert len(set(theirs.values())) == 2
    assert {name[0] for name in theirs.values()} == {"f", "m"}
    assert not set(theirs.values()) & set(others.values())
    assert table(few / "text").items() <= table(whole / "text").items()
    assert table(few / "text").keys() == theirs.keys()
    assert table(rest / "wav.scp").keys() == others.keys()
    assert not (rest / "text").exists()


def test_some_transcribed_speakers_must_be_left(corpus, tmp_path, caplog):
    # One of six is for dev.
    assert (
        prepare(
            corpus,
            tmp_path / "data",
            "--dev_speakers",
            "1",
            "--transcribed_speakers",
            "5",
        )
        == 2
    )
    assert "--transcribed_speakers 5: the corpus has 5" in caplog.text
    assert not (tmp_path / "data").exists()


def test_again_gives_the_same(corpus, tmp_path):
    def content():
        files = sorted((tmp_path / "data").rglob("*"))
        return {path: path.read_bytes() for path in files if path.is_file()}

    prepare(corpus, tmp_path / "data", "--dev_speakers", "2")
    first = content()
    prepare(corpus, tmp_path / "data", "--dev_speakers", "2")
    assert first and content() == first


def remove_audio(corpus):
    (corpus / "wav/an4_clstk/ffmm/an2-ffmm-b.sph").unlink()
    return "ffmm-an2-ffmm-b"


def remove_transcript(corpus):
    path = corpus / "etc/an4_test.transcription"
    path.write_text(path.read_text().replace("GO (an1-mmxg-b)\n", ""))
    return "mmxg-an1-mmxg-b"


def empty_transcript(corpus):
    path = corpus / "etc/an4_train.transcription"
    path.write_text(
        path.read_text().replace("<s> GO </s> (an1-fash-b)", "(an1-fash-b)")
    )
    return "fash-an1-fash-b"


def break_transcript(corpus):
    path = corpus / "etc/an4_train.transcription"
    path.write_text(path.read_text() + "GO without a name\n")
    return f"{path}:12"


def empty_list(corpus):
    (corpus / "etc/an4_test.fileids").write_text("\n")
    return "lists no utterance"


def remove_list(corpus):
    (corpus / "etc/an4_train.fileids").unlink()
    return "an4_train.fileids is missing"


def share_speaker(corpus):
    path = corpus / "etc/an4_test.fileids"
    path.write_text(path.read_text() + "an4_clstk/fash/an1-fash-b\n")
    path = corpus / "etc/an4_test.transcription"
    path.write_text(path.read_text() + "GO (an1-fash-b)\n")
    return "fash"


def not_text(corpus):
    (corpus / "etc/an4_test.transcription").write_bytes(b"\xff\xfe\x00GO")
    return "is not text"


@pytest.mark.parametrize(
    "spoil",
    [
        remove_audio,
        remove_transcript,
        empty_transcript,
        break_transcript,
        empty_list,
        remove_list,
        share_speaker,
        not_text,
    ],
)
def test_what_is_wrong_is_named_and_nothing_written(corpus, tmp_path, spoil, caplog):
    named = spoil(corpus)
    assert prepare(corpus, tmp_path / "data", "--dev_speakers", "2") == 2
    assert named in caplog.text
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("there", [False, True], ids=["missing", "empty"])
def test_missing_or_empty_folder(tmp_path, there, caplog):
    if there:
        (tmp_path / "an4").mkdir()
    assert prepare(tmp_path / "an4", tmp_path / "data") == 2
    assert f"{tmp_path / 'an4'}" in caplog.text
    assert "--an4" in caplog.text and "db.sh" in caplog.text


# --- the script -----------------------------------------------------------------------


def run_data_sh(recipe, *options, **environment):
    return subprocess.run(
        ["local/data.sh", *options],
        cwd=recipe,
        env={
            **{k: v for k, v in os.environ.items() if k != "AN4"},
            "VENV": sys.prefix,
            "ESPNET_PLUGIN_ROOT": str(ROOT),
            **environment,
        },
        capture_output=True,
        text=True,
    )


@pytest.fixture
def recipe(tmp_path):
    folder = tmp_path / "an4/encrl1"
    folder.mkdir(parents=True)
    for name in ("path.sh", "db.sh", "local"):
        (folder / name).symlink_to((RECIPE / name).resolve())
    return folder


def test_script_takes_option_or_variable(recipe, tmp_path):
    corpus = make_corpus(tmp_path / "corpus", "flac")
    given = run_data_sh(recipe, "--an4", str(corpus), "--dev_speakers", "2")
    assert given.returncode == 0, given.stderr
    first = (recipe / "data/train/text").read_text()
    by_variable = run_data_sh(
        recipe, "--dev_speakers", "2", "--output_dir", "other", AN4=str(corpus)
    )
    assert by_variable.returncode == 0, by_variable.stderr
    assert (recipe / "other/train/text").read_text() == first


@pytest.mark.parametrize("options", [["--an5", "x"], ["--an4"], ["x"]])
def test_script_refuses_other_options(recipe, options):
    result = run_data_sh(recipe, *options)
    assert result.returncode == 2 and options[0] in result.stderr


# --- the download ---------------------------------------------------------------------


class Server(http.server.BaseHTTPRequestHandler):
    """Serves ``content``, with ranges, or what a test wants instead."""

    content = b""
    cut_after = None
    ranges = True
    asked: list = []

    def do_GET(self):
        wanted = self.headers.get("Range")
        type(self).asked.append(wanted)
        start = int(wanted[len("bytes=") : -1]) if wanted and self.ranges else 0
        if start >= len(self.content) > 0:
            self.send_error(416)
            return
        body = self.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.cut_after])

    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path):
    make_corpus(tmp_path / "served/an4", "flac")
    archive = tmp_path / "served/an4_sphere.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "served/an4", "an4")
    handler = type("Handler", (Server,), {"content": archive.read_bytes(), "asked": []})
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    handler.url = f"http://127.0.0.1:{running.server_address[1]}/an4_sphere.tar.gz"
    yield handler
    running.shutdown()
    thread.join()
    running.server_close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")


def test_download_and_no_second_one(server, tmp_path):
    import download_an4

    corpus = download_an4.download(tmp_path / "downloads", [server.url])
    assert (corpus / "etc/an4_train.fileids").is_file()
    download_an4.download(tmp_path / "downloads", [server.url])
    assert len(server.asked) == 1
    assert prepare(corpus, tmp_path / "data", "--dev_speakers", "2") == 0


@pytest.mark.parametrize("ranges", [True, False])
def test_download_goes_on(server, tmp_path, ranges):
    import download_an4

    server.cut_after, server.ranges = 1000, ranges
    with pytest.raises(UserError, match="1000 of"):
        download_an4.download(tmp_path / "downloads", [server.url])
    server.cut_after = None
    corpus = download_an4.download(tmp_path / "downloads", [server.url])
    assert server.asked == [None, "bytes=1000-"]
    assert (corpus / "etc/an4_test.fileids").is_file()


def test_a_part_as_long_as_the_file_is_fetched_anew(server, tmp_path):
    from espnet_plugin.data import archive

    path = tmp_path / "an4.tar.gz"
    path.with_name("an4.tar.gz.part").write_bytes(b"x" * (len(server.content) + 5))
    archive.fetch(server.url, path)
    assert path.read_bytes() == server.content


def test_the_second_address_serves_when_the_first_does_not(server, tmp_path):
    import download_an4

    dead = "http://127.0.0.1:9/an4_sphere.tar.gz"
    corpus = download_an4.download(tmp_path / "downloads", [dead, server.url])
    assert corpus.is_dir()


def test_a_page_instead_of_the_archive_is_refused(server, tmp_path):
    import download_an4

    server.content = b"<html>log in first</html>"
    with pytest.raises(UserError, match="not the archive"):
        download_an4.download(tmp_path / "downloads", [server.url])
    assert not list((tmp_path / "downloads").iterdir())


def test_a_damaged_archive_is_fetched_again_next_time(server, tmp_path):
    import download_an4

    whole = server.content
    server.content = whole[: len(whole) // 2]
    with pytest.raises(UserError, match="damaged"):
        download_an4.download(tmp_path / "downloads", [server.url])
    server.content = whole
    assert download_an4.download(tmp_path / "downloads", [server.url]).is_dir()


@pytest.mark.parametrize("kind", ["parent", "link"])
def test_an_archive_cannot_write_elsewhere(tmp_path, kind):
    from espnet_plugin.data import archive

    evil, inner = tmp_path / "evil.tar.gz", tmp_path / "inner"
    inner.write_text("x")
    with tarfile.open(evil, "w:gz") as tar:
        if kind == "parent":
            tar.add(inner, "an4/../../escaped")
        else:
            link = tarfile.TarInfo("an4/link")
            link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
            tar.addfile(link)
            tar.add(inner, "an4/link/escaped")
    (tmp_path / "downloads").mkdir()
    with pytest.raises(UserError, match="not safe"):
        archive.unpack(evil, tmp_path / "downloads/an4", "an4")
    assert not list(tmp_path.rglob("escaped"))
    assert not list((tmp_path / "downloads").iterdir())


def test_offline_says_what_to_do(recipe):
    # A proxy that refuses stands for no network, whatever network there is.
    nowhere = "http://127.0.0.1:9"
    result = run_data_sh(
        recipe, http_proxy=nowhere, https_proxy=nowhere, no_proxy="", NO_PROXY=""
    )
    assert result.returncode == 2
    for wanted in ('--local_data_opts "--an4 DIR"', "AN4=DIR in db.sh", "huggingface"):
        assert wanted in result.stderr
    assert "Traceback" not in result.stderr
    assert not (recipe / "data").exists()
