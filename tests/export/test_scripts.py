"""The script of an export on what its users give it by mistake."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import yaml
from tiny_asr import build_tiny_asr
from tiny_stream import speech

from espnet_plugin.bin import export, recognise
from espnet_plugin.export.scripts import load_script

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

RATE = 16000


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A model whose tokens are of another script, one of them a line separator."""
    model = build_tiny_asr(tmp_path_factory.mktemp("cyrillic"))
    config = yaml.safe_load(model.config.read_text())
    alphabet = "абвгдежзийклмнопрстуфхцчш\u2028"
    config["token_list"][3:29] = list(alphabet)
    model.config.write_text(yaml.safe_dump(config, allow_unicode=True))
    assert export.main([str(model.dir), "--dev", str(model.data_dir)]) == 0
    return model.dir, model.dir / "export/onnx"


def run(folder, *args, **environment):
    done = subprocess.run(
        [sys.executable, str(folder / "recognise.py"), *map(os.fsencode, args)],
        capture_output=True,
        env={**os.environ, **environment},
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.fixture()
def audio(tmp_path):
    path = tmp_path / "good.wav"
    soundfile.write(path, speech(1.2), RATE)
    return str(path)


def test_a_bad_file_costs_the_others_nothing(exported, audio, tmp_path):
    samples = speech(1.2)
    (tmp_path / "text.wav").write_text("no audio")
    (tmp_path / "numbers.wav").write_bytes(b"")
    loud = tmp_path / "numbers.wav"
    soundfile.write(loud, samples * 32768, RATE, subtype="FLOAT")
    samples[700] = np.nan
    soundfile.write(tmp_path / "nan.wav", samples, RATE, subtype="FLOAT")
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.wav")
    soundfile.write(os.fsencode(odd), speech(0.7), RATE, format="WAV")
    (tmp_path / "inside").mkdir()
    bad = ["missing.wav", "inside", "text.wav", "numbers.wav", "nan.wav"]
    names = [str(tmp_path / name) for name in bad]
    status, out, err = run(exported[1], *names, odd, audio)
    _, alone, _ = run(exported[1], audio)
    assert status == 1 and out == alone != ""
    assert [line.split(":")[0] for line in err.splitlines()][:5] == names
    assert f"{names[0]}: there is no such file" in err
    assert f"{names[1]}: is a folder: name its files" in err
    assert "integers stored as floats" in err and "not numbers" in err
    assert "Traceback" not in err


def cut(samples, most):
    """Cut all samples at once: each piece ends in its second half's quietest tenth."""
    tenth, pieces = RATE // 10, []
    while len(samples) > most:
        levels = [
            float((samples[at : at + tenth] ** 2).sum())
            for at in range(most // 2, most - tenth + 1, tenth)
        ]
        end = most // 2 + levels.index(min(levels)) * tenth + tenth // 2
        pieces.append(samples[:end])
        samples = samples[end:]
    return [*pieces, samples]


def test_memory_does_not_grow_with_the_recording(exported, tmp_path):
    """Eight minutes are cut where they are cut as a whole, in blocks of seconds."""
    spoken = np.concatenate([speech(4.4, seed) for seed in range(8)] * 14)
    lengths = {"short.wav": 30 * RATE, "long.wav": len(spoken)}
    memory = {}
    for name, length in lengths.items():
        soundfile.write(tmp_path / name, spoken[:length], RATE, subtype="FLOAT")
        command = [sys.executable, exported[1] / "recognise.py", tmp_path / name]
        with subprocess.Popen(
            [*map(str, command), "--longest", "7"], stdout=subprocess.PIPE
        ) as process:
            said = process.stdout.read().decode()
            _, process.returncode, used = os.wait4(process.pid, 0)
        assert process.returncode == 0
        memory[name] = used.ru_maxrss / 1000  # from kB to MB
    recogniser = load_script(exported[1] / "recognise.py").Recogniser()
    texts = map(recogniser.text, cut(spoken, 7 * RATE))
    expected = " ".join(filter(None, texts))
    assert said == f"{tmp_path / 'long.wav'}\t{expected}\n" and expected
    # All samples of the long one are 31 MB.
    assert memory["long.wav"] < memory["short.wav"] + 8


def test_the_text_is_espnets_in_any_encoding(exported, audio, capsys):
    experiment, folder = exported
    assert recognise.main([str(experiment), audio]) == 0
    text = capsys.readouterr().out
    assert any("а" <= letter <= "ш" for letter in text)
    for encoding in ("utf-8", "cp1252"):
        status, out, err = run(folder, audio, PYTHONIOENCODING=encoding)
        assert status == 0, err
        # Our command writes a separator of lines as a space.
        found = out.split("\t", 1)[1]
        assert found.split() == text.split()


@pytest.mark.parametrize(
    "option, value",
    [
        ("--longest", "0"),
        ("--longest", "0.05"),
        ("--longest", "nan"),
        ("--longest", "inf"),
        ("--num_threads", "0"),
        ("--model", "nothing.onnx"),
    ],
)
def test_options_that_make_no_sense(exported, audio, option, value):
    status, out, err = run(exported[1], audio, option, value)
    assert (status, out) == (2, "") and f"{option} {value}: " in err


# As soundfile writes them: format and subtype.
WHOLE = [
    *[("WAV", kind) for kind in ("PCM_16", "FLOAT", "ULAW", "IMA_ADPCM")],
    *[("AIFF", None), ("AU", None), ("W64", None), ("WAVEX", None), ("FLAC", None)],
    *[("MP3", None), ("RF64", None), ("OGG", "VORBIS"), ("OGG", "OPUS")],
]


@pytest.mark.parametrize("kind, subtype", WHOLE)
def test_truncated_files_are_refused(exported, tmp_path, kind, subtype):
    path = tmp_path / f"audio.{kind.lower()}"
    soundfile.write(path, speech(2.3), RATE, format=kind, subtype=subtype)
    status, out, err = run(exported[1], str(path))
    assert status == 0 and len(out.split("\t")[1]) > 5 and err == ""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])
    status, out, err = run(exported[1], str(path))
    assert (status, out) == (1, "") and err.splitlines()[-1].startswith(f"{path}: ")
    assert "is truncated" in err or "lost sync" in err


def test_a_wav_file_that_was_written_into_a_pipe(exported, audio, tmp_path):
    """Its header has the greatest length that there is, as nobody knew the true one."""
    content = bytearray(open(audio, "rb").read())
    for at in (4, content.index(b"data") + 4):
        content[at : at + 4] = b"\xff\xff\xff\xff"
    (tmp_path / "piped.wav").write_bytes(content)
    texts = [run(exported[1], str(p))[1] for p in (audio, tmp_path / "piped.wav")]
    assert texts[0].split("\t")[1] == texts[1].split("\t")[1] != ""


@pytest.mark.parametrize("kind", ["WAV", "OGG"])
def test_a_file_on_standard_input(exported, tmp_path, kind):
    """For libsndfile, "-" is standard input."""
    path = tmp_path / "audio"
    soundfile.write(path, speech(1.2), RATE, format=kind)
    command = [sys.executable, str(exported[1] / "recognise.py"), "-", str(path)]
    with open(path, "rb") as stream:
        done = subprocess.run(command, stdin=stream, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    texts = [line.partition("\t")[2] for line in done.stdout.split("\n")]
    assert texts[0] == texts[1] != ""


@pytest.mark.parametrize("package", ["numpy", "soundfile", "onnxruntime"])
def test_a_missing_package(exported, audio, tmp_path, package):
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").write_text("raise ImportError('no library')")
    status, out, err = run(exported[1], audio, PYTHONPATH=str(tmp_path))
    assert (status, out) == (1, "") and "Traceback" not in err
    last = err.splitlines()[-1]
    assert last.startswith("no library: pip install ") and package in last


def test_a_script_that_was_copied_alone(exported, audio, tmp_path):
    shutil.copy(exported[1] / "recognise.py", tmp_path)
    status, out, err = run(tmp_path, audio)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert "'script_parts'" in err and "copy the whole folder" in err


def test_output_that_cannot_be_written(exported, audio):
    command = [sys.executable, str(exported[1] / "recognise.py"), audio]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "No space left" in done.stderr
    read, write = os.pipe()
    os.close(read)  # as `| head` does
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


def test_features_of_another_shape(tiny_asr_model, tmp_path):
    folder = tmp_path / "features"
    command = [str(tiny_asr_model.dir), "--features", "--output_dir", str(folder)]
    assert export.main(command) == 0
    good = np.random.default_rng(0).standard_normal((80, 20)).astype(np.float32)
    files = {"good": good, "narrow": good[:, :19], "flat": good[0], "empty": good[:0]}
    for name, content in files.items():
        np.save(tmp_path / f"{name}.npy", content)
    names = [str(tmp_path / f"{name}.npy") for name in files]
    (tmp_path / "text.npy").write_text("no array")
    status, out, err = run(folder, *names, str(tmp_path / "text.npy"))
    assert status == 1 and [line.split("\t")[0] for line in out.splitlines()] == [
        names[0]
    ]
    assert err.count("the model takes (frames, 20)") == 3 and "cannot be read" in err
