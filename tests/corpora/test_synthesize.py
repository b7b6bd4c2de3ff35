"""The synthesised corpus of egs2/mini_synth."""

import hashlib
import subprocess
import sys
import tempfile
import wave
from pathlib import Path

import numpy as np
import pytest
from kaldi_table import table

from espnet_plugin.bin import synthesize
from espnet_plugin.corpora.synthetic.espeak import Espeak
from espnet_plugin.corpora.synthetic.plan import SPEAKERS, plan
from espnet_plugin.errors import UserError

ROOT = Path(__file__).parents[2]
SIZES = ["--train_utterances", "4", "--dev_utterances", "2", "--test_utterances", "3"]

pytest.importorskip("espeakng_loader", reason="pip install -e .[demo]")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    cmd = ["--output_dir", f"{folder}", "--wav_dir", f"{folder}/wav", *SIZES]
    assert synthesize.main(cmd) == 0
    return folder


def read_wav(path):
    with wave.open(path) as audio:
        assert audio.getframerate() == 16000
        assert audio.getnchannels() == 1
        assert audio.getsampwidth() == 2
        return np.frombuffer(audio.readframes(audio.getnframes()), "<i2")


def digests(folder):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*.wav")
    }


@pytest.mark.parametrize("subset, number", [("train", 4), ("dev", 2), ("test", 3)])
def test_data_folder_is_complete_and_sorted(corpus, subset, number):
    tables = {
        name: table(corpus / subset / name) for name in ("wav.scp", "text", "utt2spk")
    }
    names = list(tables["text"])
    assert len(names) == number
    assert names == sorted(names)
    assert all(list(tables[name]) == names for name in tables)
    spk2utt = table(corpus / subset / "spk2utt")
    assert tables["utt2spk"] == {
        utt: spk for spk, utts in spk2utt.items() for utt in utts.split()
    }
    for name, path in tables["wav.scp"].items():
        assert name.startswith(tables["utt2spk"][name])
        samples = read_wav(path)
        assert 1.0 < len(samples) / 16000 < 6.0
        assert 300 < np.sqrt(np.mean(samples.astype(float) ** 2)) < 8000


def test_speech_stands_out_of_the_noise(corpus):
    for path in table(corpus / "test" / "wav.scp").values():
        samples = read_wav(path).astype(float)
        edge = np.mean(samples[:1600] ** 2)  # at least 0.1 s without speech
        assert 8.0 < 10 * np.log10(np.mean(samples**2) / edge) < 35.0


def test_rerun_does_nothing_and_repairs_what_is_missing(corpus, monkeypatch):
    cmd = ["--output_dir", f"{corpus}", "--wav_dir", f"{corpus}/wav", *SIZES]
    before = digests(corpus)
    stamps = {path: path.stat().st_mtime_ns for path in corpus.rglob("*")}
    with monkeypatch.context() as patch:
        patch.setattr(Espeak, "say", lambda *args, **kwargs: pytest.fail("again"))
        synthesize.main(cmd)
    assert stamps == {path: path.stat().st_mtime_ns for path in corpus.rglob("*")}

    # As after a kill: a part of the audio and one table are not there.
    for path in list(corpus.rglob("*.wav"))[1::2]:
        path.unlink()
    (corpus / "dev" / "text").unlink()
    synthesize.main(cmd)
    assert digests(corpus) == before
    assert len(table(corpus / "dev" / "text")) == 2


def test_audio_depends_on_the_seed_and_nothing_else(corpus, tmp_path):
    """Another process, another order, another number of utterances: the same bytes."""
    module = "espnet_plugin.bin.synthesize"
    command = [sys.executable, "-m", module, "--wav_dir", "wav"]
    env = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    sizes = ["--train_utterances", "2", "--dev_utterances", "1"]
    sizes += ["--test_utterances", "4"]
    run = subprocess.run(command + sizes, cwd=tmp_path, env=env, capture_output=True)
    assert run.returncode == 0, run.stderr.decode()
    first, second = digests(corpus), digests(tmp_path)
    common = set(first) & set(second)
    assert len(common) == 2 + 1 + 3
    assert {name: first[name] for name in common} == {
        name: second[name] for name in common
    }


def test_another_seed_gives_another_corpus():
    texts = [[u.text for u in plan("train", 20, seed)] for seed in (0, 1)]
    assert texts[0] != texts[1]
    assert plan("train", 20, 0) == plan("train", 30, 0)[:20]


def test_sets_share_no_voice_and_all_voices_differ():
    speakers = sum(SPEAKERS.values(), [])
    # By variant: two accents of one variant would be nearly the same speaker.
    variants = [speaker.voice.partition("+")[2] for speaker in speakers]
    assert len(set(variants)) == len(speakers) == 33
    with Espeak() as engine:
        audio = {engine.say("alarm", s.voice, rate=150).tobytes() for s in speakers}
    assert len(audio) == 33


VOCABULARY = """
    zero one two three four five six seven eight nine fifteen thirty forty fifty minutes
    turn switch on off open close set call the for please kitchen bedroom garden light
    heater fan radio alarm timer door window
"""


def test_sentences_use_the_whole_vocabulary_and_nothing_else():
    texts = [u.text for u in plan("train", 1000, 0)]
    words = {word for text in texts for word in text.split()}
    assert words == set(VOCABULARY.split()) and len(words) == 37


def test_long_data_path(tmp_path, monkeypatch):
    import espeakng_loader

    long = tmp_path.joinpath(*["a" * 50] * 4)
    long.mkdir(parents=True)
    (long / "espeak-ng-data").symlink_to(espeakng_loader.get_data_path())
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        monkeypatch.setattr(tempfile, "tempdir", short)
        with Espeak(str(long / "espeak-ng-data")) as engine:
            samples = engine.say("seven thirty", "en-us+f3")
            assert len(list(Path(short).iterdir())) == 1
        assert not list(Path(short).iterdir())
        monkeypatch.undo()
    with Espeak() as engine:
        assert np.array_equal(samples, engine.say("seven thirty", "en-us+f3"))


@pytest.mark.parametrize(
    "voice, message", [("en-us+nobody", "nobody.*f3"), ("xx-yy+f3", "no such language")]
)
def test_unknown_voice(voice, message):
    with Espeak() as engine, pytest.raises(UserError, match=message):
        engine.say("one", voice)


def test_nothing_to_say():
    with Espeak() as engine, pytest.raises(UserError, match="no audio"):
        engine.say("", "en-us+f3")


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(UserError, match="pip install espeakng-loader"):
        Espeak()


def test_bad_number(tmp_path, capsys):
    cmd = ["--dev_utterances", "0", "--output_dir", f"{tmp_path}/data"]
    with pytest.raises(SystemExit, match="2"):
        synthesize.main([*cmd, "--wav_dir", f"{tmp_path}/data/wav"])
    assert "--dev_utterances: '0'" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_a_folder_that_cannot_be_written(tmp_path, caplog):
    (tmp_path / "file").touch()
    cmd = ["--output_dir", f"{tmp_path}/data", "--wav_dir", f"{tmp_path}/file/wav"]
    assert synthesize.main([*cmd, *SIZES]) == 2
    assert f"{tmp_path}/file" in caplog.text
