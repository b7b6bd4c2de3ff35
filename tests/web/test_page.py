"""The page in Chromium: files and the microphone, against the Python recognisers."""

import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from browser import chromium, need, served
from tiny_asr import build_tiny_asr
from tiny_stream import RATE, speech, supernet

from espnet_plugin.bin import export, web
from espnet_plugin.export.scripts import load_script
from espnet_plugin.recognise.confidence import token_confidence
from espnet_plugin.recognise.formats import to_json
from espnet_plugin.recognise.load import load_file_recogniser
from espnet_plugin.recognise.vocabulary import Vocabulary
from espnet_plugin.recognise.words import FrameTimes, align

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

FAKE_MICROPHONE = (
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)
READY = "document.body.dataset.state === 'ready'"
FINAL = f"{READY} && !document.getElementById('final').hidden"
REFUSED = f"{READY} && !document.getElementById('error').hidden"
RECORD = """
    const text = document.getElementById("text");
    window.texts = [];
    new MutationObserver(() => window.texts.push(text.textContent)).observe(
        text, { childList: true, characterData: true, subtree: true });"""
READ = """
    const { href } = document.getElementById(arguments[0]);
    return fetch(href)
        .then((response) => response.arrayBuffer())
        .then((bytes) => [...new Uint8Array(bytes)]);"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A page with two models, and their exports."""
    need(["npm"], "npm, which fetches onnxruntime-web")
    root = tmp_path_factory.mktemp("web")
    whole = build_tiny_asr(root / "whole").dir
    stream = supernet(root / "stream").dir
    page = root / "page"
    assert export.main([str(whole), "--web", str(page)]) == 0
    # The streaming one is exported on the way; a page is replaced as a whole.
    assert web.main([str(whole), str(stream), "--output_dir", str(page)]) == 0
    inside = "export/onnx"
    return page, whole / inside, stream / inside


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    """What the fake microphone says, once."""
    path = tmp_path_factory.mktemp("microphone") / "said.wav"
    silence = np.zeros(RATE // 2, np.float32)
    soundfile.write(path, np.concatenate([silence, speech(1.5, 5)]), RATE)
    return path


@pytest.fixture(scope="module")
def page(folders, spoken):
    flag = f"--use-file-for-fake-audio-capture={spoken}"
    with served(folders[0]) as (address, _), chromium(*FAKE_MICROPHONE, flag) as tab:
        tab.open(address)
        tab.wait(READY)
        yield tab
        assert tab.console() == []


def choose(tab, number):
    """Choose a model: 0 hears whole utterances, 1 is streaming."""
    tab.run(
        """const list = document.getElementById("model");
        list.value = arguments[0];
        list.dispatchEvent(new Event("change"));""",
        number,
    )
    tab.wait(READY)
    assert not tab.text("#error")


def recognise(tab, path):
    """Give the page a file, return what it saves as JSON."""
    tab.run("document.getElementById('final').hidden = true")
    tab.type("#file", path)
    tab.wait(FINAL)
    return json.loads(bytes(tab.run(READ, "save-words")))


def runner_lines(export_folder, *args):
    done = subprocess.run(
        [sys.executable, str(export_folder / "recognise.py"), *map(str, args)],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def words_of(content):
    return [word for part in content["segments"] for word in part["words"]]


def assert_same(found, expected):
    """Compare two transcripts: same words, times to a millisecond."""
    assert found["text"] == expected["text"] and found["text"]
    assert found["seconds"] == pytest.approx(expected["seconds"], abs=1e-3)
    mine, theirs = words_of(found), words_of(expected)
    assert [w["word"] for w in mine] == [w["word"] for w in theirs]
    for key, tolerance in (("start", 1.1e-3), ("end", 1.1e-3), ("confidence", 2e-3)):
        np.testing.assert_allclose(
            [w[key] for w in mine], [w[key] for w in theirs], atol=tolerance, rtol=0
        )


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """A plain file, one of another rate with two channels, and a long one."""
    root = tmp_path_factory.mktemp("sounds")
    plain, other, long = root / "plain.wav", root / "other.flac", root / "long one.wav"
    soundfile.write(plain, speech(2.3, 1), RATE)
    two = np.stack([speech(1.9, 2, 44100), 0.5 * speech(1.9, 3, 44100)], 1)
    soundfile.write(other, two, 44100)
    soundfile.write(long, speech(23.0, 4), RATE)
    return plain, other, long


def test_files_are_recognised_as_by_the_python_program(page, folders, sounds):
    choose(page, 0)
    recogniser = load_file_recogniser(folders[1])
    found = [recognise(page, path) for path in sounds]
    expected = [json.loads(to_json(recogniser.file(str(path)))) for path in sounds]
    for mine, theirs, path in zip(found, expected, sounds):
        assert_same(mine, theirs)
        assert mine["file"] == path.name
        assert [len(part["words"]) for part in mine["segments"]] == [
            len(part["words"]) for part in theirs["segments"]
        ]
        scores = [part["nbest"][0]["score"] for part in mine["segments"]]
        theirs_scores = [part["nbest"][0]["score"] for part in theirs["segments"]]
        np.testing.assert_allclose(scores, theirs_scores, atol=0.02)
    assert len(found[2]["segments"]) == 2
    assert [len(mine["notes"]) for mine in found] == [0, 2, 0]
    assert "44100 to 16000 Hz" in " ".join(found[1]["notes"])
    shown = page.text("#text").split()
    assert " ".join(shown) == expected[2]["text"]
    assert len(page.run("return [...document.querySelectorAll('#words tr')]")) == len(
        words_of(expected[2])
    )
    assert "real-time factor" in page.text("#speed")
    # The script of the exported folder writes spaces as they come.
    name, text = runner_lines(folders[1], sounds[0])[0].split("\t")
    assert " ".join(text.split()) == found[0]["text"]


def stream_runner(folder):
    return load_script(folder / "recognise.py").Recogniser(folder)


def test_partial_texts_are_those_of_the_streaming_program(page, folders, sounds):
    choose(page, 1)
    plain = sounds[0]
    page.run(RECORD)
    found = recognise(page, plain)
    seen = [" ".join(text.split()) for text in page.run("return window.texts")]
    lines = [" ".join(line.split()) for line in runner_lines(folders[2], plain)]

    def steps(texts):
        return [
            text for text, before in zip(texts, [""] + texts) if text and text != before
        ]

    assert steps(seen) == steps(lines) and len(steps(seen)) > 4
    # Times and confidence, from the log-probabilities as a whole.
    runner = stream_runner(folders[2])
    samples, _ = soundfile.read(plain, dtype="float32")
    log_probs = runner.log_probs(samples, last=True)
    tokens = runner.names
    runner.reset()
    runner.accept(samples, last=True)
    spans = align(log_probs, runner.tokens)
    rows = log_probs[[span.peak for span in spans]]
    sure = token_confidence(rows, runner.tokens)[:, 0]
    # ESPnet's formula for conv2d with a hop of 10 ms.
    times = FrameTimes(0.04, 0.03)
    expected = [
        {
            "word": word.text,
            "start": times.span(spans[word.first].first, 0)[0],
            "end": min(times.span(0, spans[word.last].last)[1], 2.3),
            "confidence": sure[word.first : word.last + 1].min(),
        }
        for word in Vocabulary(tuple(tokens)).words(runner.tokens)
    ]
    whole = {"text": lines[-1], "seconds": 2.3, "segments": [{"words": expected}]}
    assert_same(found, whole)


def listen(tab, seconds):
    tab.run("document.getElementById('final').hidden = true")
    tab.click("#listen")
    tab.wait("document.body.dataset.state === 'listening'")
    tab.run(f"return new Promise((done) => setTimeout(done, {1000 * seconds}))")
    tab.click("#listen")
    tab.wait(FINAL)
    assert not tab.text("#error")
    return bytes(tab.run(READ, "save-audio")), json.loads(
        bytes(tab.run(READ, "save-words"))
    )


def likeness(said, heard, size=RATE // 4):
    """Return how well some quarter of a second of one signal is found in the other.

    Not all of it: on a busy machine a fake microphone leaves pieces out.
    """
    energy = np.cumsum(np.square(heard, dtype=np.float64))
    energy = np.maximum(energy[size:] - energy[:-size], 1e-9)
    pieces = [
        said[start : start + size] for start in range(0, len(said) - size + 1, size)
    ]
    found = [np.correlate(heard, p)[1:] / np.linalg.norm(p) for p in pieces if any(p)]
    return max((row[: len(energy)] / np.sqrt(energy)).max() for row in found)


@pytest.mark.parametrize("model", [0, 1])
def test_what_the_microphone_hears_is_recognised(
    page, folders, spoken, tmp_path, model
):
    choose(page, model)
    page.run(RECORD)
    recording, found = listen(page, 3.5)
    path = tmp_path / "heard.wav"
    path.write_bytes(recording)
    heard, rate = soundfile.read(path, dtype="float32")
    assert rate == RATE and len(heard) > rate
    said, _ = soundfile.read(spoken, dtype="float32")
    assert likeness(said[RATE // 2 :], heard) > 0.9
    if model == 0:
        expected = load_file_recogniser(folders[1]).file(str(path))
        assert_same(found, json.loads(to_json(expected)))
        return
    assert found["text"] == " ".join(runner_lines(folders[2], path)[-1].split())
    # It grew while the microphone was open.
    texts = {text.strip() for text in page.run("return window.texts")} - {""}
    assert len(texts) > 3


def test_files_that_cannot_be_used_are_named(page, sounds, tmp_path):
    choose(page, 0)
    bad = {
        "notes.txt.wav": "cannot be read as audio",
        "empty.wav": "is empty",
        "short.wav": "is truncated",
        "short.ogg": "is truncated",
        "short.opus": "is truncated",
        "short.flac": "is truncated",
        "short.mp3": "is truncated",
        "opposite.wav": "cancel each other",
        "numbers.wav": "no number at 0.010 s",
        "none.wav": "has no samples",
    }
    paths = {name: tmp_path / name for name in bad}
    paths["notes.txt.wav"].write_text("not a sound")
    paths["empty.wav"].write_bytes(b"")
    paths["short.wav"].write_bytes(sounds[0].read_bytes()[:-1000])
    for kind, format, subtype in (
        ("ogg", "OGG", "VORBIS"),
        ("opus", "OGG", "OPUS"),
        ("flac", "FLAC", None),
        ("mp3", "MP3", None),
    ):
        path = paths[f"short.{kind}"]
        soundfile.write(path, speech(2.0), RATE, format=format, subtype=subtype)
        recognise(page, path)  # the whole one
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    one = speech(0.5)
    soundfile.write(paths["opposite.wav"], np.stack([one, -one], 1), RATE)
    one[160] = np.nan
    soundfile.write(paths["numbers.wav"], one, RATE, subtype="FLOAT")
    soundfile.write(paths["none.wav"], np.zeros(0), RATE)
    for name, words in bad.items():
        page.type("#file", paths[name])
        page.wait(REFUSED)
        message = page.text("#error")
        assert name in message and words in message
    recognise(page, sounds[0])  # and it goes on
    assert not page.text("#error")


def test_it_fits_a_phone_and_every_control_has_a_name(page, sounds):
    choose(page, 0)
    recognise(page, sounds[0])
    for width in (320, 390, 1200):
        page.resize(width, 800)
        wide = page.run("return document.documentElement.scrollWidth")
        assert wide <= width
    unnamed = """
        const named = (e) => e.innerText || e.ariaLabel || e.labels?.length;
        return [...document.querySelectorAll("button, select, a, summary, [tabindex]")]
            .filter((e) => !named(e)).map((e) => e.outerHTML);"""
    assert page.run(unnamed) == []
    assert page.run("return document.documentElement.lang") == "en"


def test_nothing_comes_from_elsewhere(folders, sounds):
    """And without a permission, the page says how to give it."""
    with served(folders[0]) as (address, asked), chromium(
        "--deny-permission-prompts",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost",
    ) as tab:
        tab.open(address)
        tab.wait(READY)
        recognise(tab, sounds[0])
        names = tab.run(
            "return performance.getEntriesByType('resource').map((r) => r.name)"
        )
        assert names and all(n.startswith((address, "blob:" + address)) for n in names)
        assert any(path.endswith("ort.wasm") for path in asked)
        assert not tab.run("return window.crossOriginIsolated")
        tab.click("#listen")
        tab.wait(REFUSED)
        assert "microphone" in tab.text("#error") and not tab.text("#status")


def test_from_a_file_it_says_that_it_needs_a_server(folders):
    with chromium() as tab:
        tab.open((folders[0] / "index.html").as_uri())
        tab.wait("!document.getElementById('error').hidden")
        assert "python3 -m http.server" in tab.text("#error")
