"""A streaming model becomes a folder whose script says what our recogniser says."""

import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import torch
from tiny_asr import build_tiny_asr
from tiny_export import check_operators
from tiny_stream import CONF, RATE, fbank_model, speech, supernet

from espnet_plugin import host
from espnet_plugin.dual_mode.load import load_recogniser
from espnet_plugin.errors import UserError
from espnet_plugin.export.streaming.derive import export_streaming
from espnet_plugin.export.scripts import load_script
from espnet_plugin.files import file_checksum, read_json, write_json

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

# Of a chunk: 4 frames of 40 ms and 2 ahead. None, less than one, several.
SECONDS = (0.005, 0.1, 0.14, 0.3, 1.0, 2.037)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A supernet with other sizes in every layer, and its export."""
    tiny = supernet(tmp_path_factory.mktemp("raw"))
    return tiny.dir, export_streaming(tiny.dir)


def run(folder, *args, stdin=None):
    done = subprocess.run(
        [sys.executable, str(folder / "recognise.py"), *map(str, args)],
        input=stdin,
        capture_output=True,
        env={"PYTHONPATH": ":".join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    return done.returncode, done.stdout.decode().splitlines(), done.stderr.decode()


def test_no_operator_that_runtimes_compute_differently(exported):
    for path in exported[1].glob("*.onnx"):
        check_operators(path)


def test_the_script_says_what_the_recogniser_says(exported, tmp_path):
    source, folder = exported
    recogniser, texts, paths = load_recogniser(source), [], []
    for number, seconds in enumerate(SECONDS):
        samples = speech(seconds, number)
        recogniser.reset()
        texts.append(recogniser.accept(samples, last=True).text)
        paths.append(tmp_path / f"{number}.wav")
        soundfile.write(paths[-1], samples, RATE, subtype="FLOAT")
    assert sum(map(len, texts)) > 20 and len(set(texts)) >= 4
    status, lines, errors = run(folder, "--quiet", "--block_ms", 37, *paths)
    assert (status, lines) == (0, texts), errors


def test_a_truncated_file_costs_the_others_nothing(exported, tmp_path):
    good, cut, mp3 = (tmp_path / name for name in ("good.wav", "cut.wav", "cut.mp3"))
    soundfile.write(tmp_path / "none.wav", speech(0.0), RATE)
    status, lines, errors = run(exported[1], "--quiet", tmp_path / "none.wav")
    assert (status, lines) == (1, []) and "none.wav: has no samples" in errors
    for path in (good, mp3):
        soundfile.write(path, speech(1.0), RATE)
    cut.write_bytes(good.read_bytes()[:20000])
    mp3.write_bytes(mp3.read_bytes()[:2000])
    alone = run(exported[1], "--quiet", good)
    status, lines, errors = run(exported[1], "--quiet", cut, mp3, good)
    # A line for each file, in order.
    assert status == 1 and lines == ["", "", *alone[1]] and lines[2]
    for path in (cut, mp3):
        assert f"{path}: is truncated" in errors


def test_what_its_own_callers_give_by_mistake(exported):
    recogniser = load_script(exported[1] / "recognise.py").Recogniser(exported[1])
    samples = speech(0.7)
    wrong = [np.stack([samples] * 2, 1), (32767 * samples).astype(np.int16)]
    wrong += [samples[:, None], 32768 * samples, samples.copy()]
    wrong[-1][-1] = np.nan
    for one in wrong:
        with pytest.raises(ValueError):
            recogniser.accept(one)
    # Nothing of it was heard.
    text = recogniser.accept(samples.tolist(), last=True)
    assert text == load_recogniser(exported[0]).accept(samples, last=True).text != ""
    with pytest.raises(ValueError, match="call reset"):
        recogniser.accept(samples)
    recogniser.reset()
    assert recogniser.accept(samples[:0], last=True) == ""


def test_standard_input_and_partial_texts(exported):
    source, folder = exported
    samples = (32767 * speech(1.7)).astype("<i2")
    whole = samples.astype(np.float32) / 32768
    text = load_recogniser(source).accept(whole, last=True).text
    # The last sample may be half of one.
    status, lines, errors = run(folder, "-", stdin=samples.tobytes() + b"\x07")
    assert status == 0 and lines[-1] == text != "", errors
    assert len(set(lines)) >= 3 and all(text.startswith(line) for line in lines)


def test_another_rate_and_a_missing_microphone_are_said(exported, tmp_path):
    _, folder = exported
    path = tmp_path / "slow.wav"
    soundfile.write(path, speech(0.5), 8000)
    status, _, errors = run(folder, path)
    assert status == 1 and "8000 Hz" in errors and "-r 16000 -c 1" in errors
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio not found')")
    done = subprocess.run(
        [sys.executable, str(folder / "recognise.py"), "mic"],
        capture_output=True,
        env={
            "PYTHONPATH": ":".join([str(tmp_path), *sys.path]),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
    )
    assert done.returncode == 1 and b"PortAudio not found" in done.stderr


def test_the_folder_describes_itself(exported):
    source, folder = exported
    meta = read_json(folder / "meta.json")
    parity = meta["verified"]["parity"]
    assert parity["max_difference"] <= 1e-4 and parity["same_tokens"] >= 8
    assert max(parity["by_chunk"]) == parity["max_difference"]
    assert {0, 1} < set(parity["lengths"]) and parity["frames"] > 30
    for name, entry in meta["files"].items():
        assert file_checksum(folder / name) == entry["sha256"], name
    assert set(meta["files"]) == {p.name for p in folder.iterdir()} - {
        *("meta.json", "README.md", "card.json")
    }
    assert str(source) not in json.dumps(meta)
    card = (folder / "README.md").read_text()
    assert "python recognise.py mic" in card and "by 0.0e+00" not in card


def test_smaller_chunks_and_kaldi_features(tmp_path):
    folder = export_streaming(
        fbank_model(tmp_path),
        fbank_rate=RATE,
        chunk_frames=2,
        output_dir=tmp_path / "o",
    )
    meta = read_json(folder / "meta.json")
    assert meta["streaming"]["chunk_frames"] == 2
    assert meta["verified"]["parity"]["max_difference"] <= 1e-4


@pytest.mark.parametrize(
    "conf",
    [
        dict(look_ahead_frames=0, left_context_frames=0),
        dict(look_ahead_frames=4, left_context_frames=3, cnn_module_kernel=1),
        dict(input_layer="conv2d6", macaron_style=True, chunk_frames=3),
    ],
)
def test_other_contexts(tmp_path, conf):
    tiny = supernet(tmp_path, granularity=(), **conf)
    parity = read_json(export_streaming(tiny.dir) / "meta.json")["verified"]["parity"]
    assert parity["max_difference"] <= 1e-4


@pytest.mark.parametrize(
    "factor, said",
    [(1.01, "from torch: log-probabilities differ"), (np.nan, "that are not finite")],
)
def test_a_damaged_graph_is_found_and_nothing_is_left(
    tmp_path, monkeypatch, factor, said
):
    from espnet_plugin.export.streaming import derive

    tiny = supernet(tmp_path)
    write = derive.write_graph

    def damaged(module, *args):
        with torch.no_grad():
            for parameter in list(module.parameters())[:1]:
                parameter.mul_(factor)
        write(module, *args)

    monkeypatch.setattr(derive, "write_graph", damaged)
    with pytest.raises(UserError, match=said):
        export_streaming(tiny.dir)
    export = tiny.dir / "export"
    assert not export.exists() or not list(export.iterdir())


def test_bad_input(tmp_path):
    host.register()
    plain = build_tiny_asr(tmp_path / "plain").dir
    with pytest.raises(UserError, match="encoder conformer cannot stream"):
        export_streaming(plain)
    transducer = build_tiny_asr(
        tmp_path / "transducer",
        encoder=host.DUAL_MODE,
        encoder_conf=CONF,
    ).dir
    text = (transducer / "config.yaml").read_text()
    (transducer / "config.yaml").write_text(
        text.replace("decoder: null", "decoder: transducer")
    )
    with pytest.raises(UserError, match="decoder transducer: its search cannot"):
        export_streaming(transducer)
    (transducer / "config.yaml").write_text(
        text.replace("normalize: global_mvn", "normalize: utterance_mvn")
    )
    with pytest.raises(UserError, match="normalize utterance_mvn needs the whole"):
        export_streaming(transducer)
    (transducer / "config.yaml").write_text(text)
    for options, message in (
        (dict(target="tflite"), "--target tflite: must be one of onnx"),
        (dict(fbank_rate=RATE), "has its own front end"),
        (dict(chunk_frames=0), "chunk_frames 0: must be a whole number"),
        (dict(calibration=tmp_path), "--calibration .*leave the option out"),
        (dict(model_file="no.pth"), "has no checkpoint 'no.pth'"),
        (dict(output_dir=plain), "holds files that are not an export"),
    ):
        with pytest.raises(UserError, match=message):
            export_streaming(transducer, **options)
    write_json(transducer / "meta.json", {"mode": "full"})
    with pytest.raises(UserError, match="holds the full-context model"):
        export_streaming(transducer)
    (transducer / "meta.json").unlink()
    with pytest.raises(UserError, match="takes features, but a stream"):
        export_streaming(fbank_model(tmp_path / "fbank"))
    checkpoint = next(transducer.glob("*.pth"))
    state = torch.load(checkpoint, weights_only=True)
    state["ctc.ctc_lo.bias"][0] = float("nan")
    torch.save(state, checkpoint)
    with pytest.raises(UserError, match="ctc_lo.bias holds NaN"):
        export_streaming(transducer)
    assert not (transducer / "export").exists()


def test_what_users_give_by_mistake(exported, tmp_path):
    """A bad file costs the others nothing; an MP3 is decoded in blocks as in one."""
    source, folder = exported
    samples = speech(1.7)
    soundfile.write(tmp_path / "good.mp3", samples, RATE)
    soundfile.write(tmp_path / "loud.wav", samples * 32768, RATE, subtype="FLOAT")
    (tmp_path / "text.wav").write_text("no audio")
    decoded = soundfile.read(tmp_path / "good.mp3", dtype="float32")[0]
    text = load_recogniser(source).accept(decoded, last=True).text
    names = [tmp_path / name for name in ("text.wav", "loud.wav", "good.mp3")]
    status, lines, errors = run(folder, "--quiet", *names)
    assert (status, lines) == (1, ["", "", text]) and text, errors
    assert "cannot be read as audio" in errors and "integers stored" in errors
    wav = tmp_path / "good.wav"
    soundfile.write(wav, samples, RATE)
    # As other programs begin: MP3 with a title, MP4, WebM, AU.
    heads = (b"ID3\x04", b"\0\0\0\x18ftypM4A ", b"\x1aE\xdf\xa3", b".snd\0\0\0\x18")
    for head in (wav.read_bytes(), *(head + bytes(4000) for head in heads)):
        status, lines, errors = run(folder, "-", stdin=head)
        assert (status, lines) == (1, []) and "is a sound file" in errors
    for count in (1, 2, 3, 5):  # fewer bytes than such a beginning has
        assert run(folder, "-", stdin=bytes(count))[0] == 0
    for option in (("--block_ms", "nan"), ("--num_threads", 0), ("--model", "no.onnx")):
        status, lines, errors = run(folder, wav, *option)
        assert status == 2 and f"{option[0]} {option[1]}: " in errors
