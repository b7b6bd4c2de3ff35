"""sherpa-onnx's online recogniser says what ``stream()`` says."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile
import torch
from tiny_asr import TOKENS, build_tiny_asr
from tiny_stream import CONF, RATE, fbank_model, speech, supernet

from espnet_plugin import host
from espnet_plugin.data.fbank import kaldi_fbank
from espnet_plugin.dual_mode.load import load_streaming_model
from espnet_plugin.errors import UserError
from espnet_plugin.export.streaming.derive import export_streaming
from espnet_plugin.export.trial import TrialOptions
from espnet_plugin.files import read_json, read_pairs
from espnet_plugin.score.wer import score_texts

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("sherpa_onnx")
kaldi_native_fbank = pytest.importorskip("kaldi_native_fbank")

# The program's options for the files of a folder.
FILES = {"wenet-ctc-model": "model.onnx", "tokens": "tokens.txt"}
PRUNED = dict(
    attention_heads=[2, 1, 3],
    head_width=8,
    linear_units=[32, 20, 9],
    conv_channels=[16, 11, 6],
    streaming_only=True,
    mode="streaming",
)


def recognise(folder, samples, tmp_path):
    """The tokens by the folder's script, in a process of its own."""
    paths = []
    for number, each in enumerate(samples):
        paths.append(str(tmp_path / f"{number}.wav"))
        soundfile.write(paths[-1], each, RATE, subtype="FLOAT")
    done = subprocess.run(
        [sys.executable, str(folder / "run_sherpa.py"), "--json", *paths],
        capture_output=True,
        encoding="utf-8",
        env={"PYTHONPATH": ":".join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return [
        [token.replace("\u2581", " ") for token in json.loads(line)["tokens"]]
        for line in lines
    ]


def kaldi_features(samples):
    """By the library that is in sherpa-onnx."""
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.samp_freq = RATE
    options.frame_opts.dither = 0.0
    options.frame_opts.snip_edges = False
    options.mel_opts.num_bins = 80
    options.mel_opts.high_freq = 8000.0
    fbank = kaldi_native_fbank.OnlineFbank(options)
    fbank.accept_waveform(RATE, (32768 * samples).tolist())
    fbank.input_finished()
    return np.stack([fbank.get_frame(n) for n in range(fbank.num_frames_ready)])


def best_path(log_probs):
    found, previous = [], 0
    for token in log_probs.argmax(-1).tolist():
        if token not in (0, previous):
            found.append(" " if TOKENS[token] == "<space>" else TOKENS[token])
        previous = token
    return [token for token in found if token not in ("<sos/eos>",)]


@pytest.mark.parametrize("conf", [PRUNED, dict(look_ahead_frames=0, chunk_frames=8)])
def test_on_kaldi_features_the_tokens_are_those_of_stream(conf, tmp_path):
    experiment = fbank_model(tmp_path, **conf)
    folder = export_streaming(experiment, "sherpa-onnx", fbank_rate=RATE)
    meta = read_json(folder / "meta.json")
    assert meta["sherpa"]["high_freq"] == 8000 and "approximate" not in meta
    model, _, _ = load_streaming_model(experiment)
    model.encoder.eval()
    audio = [speech(0.08 + 0.17 * number, number) for number in range(20)]
    found = recognise(folder, audio, tmp_path)
    tail = np.zeros(round(meta["sherpa"]["tail_s"] * RATE), np.float32)
    same = heard = 0
    for samples, tokens in zip(audio, found):
        samples = np.concatenate([samples, tail])
        features = kaldi_features(samples)
        # What the model was trained on is the same but for rounding: up to 0.0101 was
        # seen, on another processor, in a filter 10^10 below the loudest.
        trained = kaldi_fbank(samples, RATE, 80)
        np.testing.assert_allclose(features, trained, rtol=0, atol=2e-2)
        # It waits for one frame more than a chunk needs.
        features = torch.from_numpy(features[:-1])[None]
        features, _ = model.normalize(features, torch.tensor([features.shape[1]]))
        with torch.no_grad():
            frames, _ = model.encoder.stream(features)
            log_probs = model.ctc.log_softmax(frames)[0]
        log_probs[:, 1] = -torch.inf  # <unk> would be printed
        same += tokens == best_path(log_probs)
        heard += len(tokens)
        # The silence is long enough: every frame of the audio came out of stream().
        frames = len(kaldi_fbank(samples[: len(samples) - len(tail)], RATE, 80))
        own = model.encoder.embed.frames(frames)
        assert len(log_probs) >= own > 0
    assert same == 20 and heard > 100
    assert meta["verified"]["sherpa"]["same_tokens"] >= 19
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    inside = session.get_modelmeta().custom_metadata_map
    # What an application has to know is in the file as well.
    assert inside["tail_s"] == f"{meta['sherpa']['tail_s']:g}"
    assert inside["chunk_frames"] == str(meta["streaming"]["chunk_frames"])
    card = (folder / "README.md").read_text()
    assert f"Append {meta['sherpa']['tail_s']:g} s of silence" in card
    assert "--high-freq=8000" in card


def test_its_command_line_puts_silence_in_front(tmp_path):
    """As the card says: half a second, by which its times are late."""
    program = shutil.which("sherpa-onnx", path=Path(sys.executable).parent)
    if program is None:
        pytest.skip("package sherpa-onnx-bin is not installed")
    folder = export_streaming(fbank_model(tmp_path), "sherpa-onnx", fbank_rate=RATE)
    card = (folder / "README.md").read_text()
    assert "puts 0.5 s of digital silence before each file" in card
    words = card.split("--tokens=tokens.txt \\\n")[1].split(" FILE.wav")[0].split()
    plain, later = tmp_path / "plain.wav", tmp_path / "later.wav"
    samples = (speech(2.0, 1) * 32767).astype(np.int16)
    soundfile.write(plain, samples, RATE)
    soundfile.write(later, np.pad(samples, (RATE // 2, 0)), RATE)
    files = [f"--{name}={folder / path}" for name, path in FILES.items()]
    done = subprocess.run(
        [program, *files, *words, str(plain)], capture_output=True, encoding="utf-8"
    )
    lines = (done.stdout + done.stderr).splitlines()
    said = next(json.loads(line) for line in lines if line.startswith("{"))
    script = [sys.executable, str(folder / "run_sherpa.py"), "--json", str(later)]
    done = subprocess.run(script, capture_output=True, encoding="utf-8", check=True)
    line, more = done.stdout.splitlines()
    expected = json.loads(more)
    assert said["text"].strip() == line.split("\t")[1] != ""
    count = len(expected["times"])
    np.testing.assert_allclose(said["timestamps"], expected["times"], atol=0.006)
    assert count == len(said["tokens"]) > 3


def texts_of(folder, model, data):
    """What sherpa-onnx recognises in a data folder, by the folder's script."""
    table = read_pairs(data / "wav.scp")
    done = subprocess.run(
        [sys.executable, str(folder / "run_sherpa.py"), "--model", model]
        + list(table.values()),
        capture_output=True,
        encoding="utf-8",
        env={"PYTHONPATH": ":".join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stderr
    lines = [line.partition("\t")[2] for line in done.stdout.splitlines()]
    assert len(lines) == len(table)
    return dict(zip(table, lines))


def test_eight_bits_behind_the_gate(tmp_path):
    experiment, data = fbank_model(tmp_path, **PRUNED), tmp_path / "data"
    data.mkdir()
    paths = {f"u{n}": data / f"u{n}.wav" for n in range(8)}
    for number, path in enumerate(paths.values()):
        soundfile.write(path, speech(2.0, number), RATE, subtype="FLOAT")
    lines = [f"{name} {path}\n" for name, path in paths.items()]
    (data / "wav.scp").write_text("".join(lines))
    (data / "utt2spk").write_text("".join(f"{name} {name}\n" for name in paths))
    folder = export_streaming(experiment, "sherpa-onnx", fbank_rate=RATE)
    # The transcripts are what sherpa-onnx makes of the file in 32 bits.
    said = texts_of(folder, "model.onnx", data)
    text = "".join(f"{name} {words}\n" for name, words in said.items())
    (data / "text").write_text(text)
    trial = TrialOptions(dev=data, int8=True, max_wer_loss=1000.0, measure=True)
    folder = export_streaming(experiment, "sherpa-onnx", fbank_rate=RATE, trial=trial)
    meta = read_json(folder / "meta.json")
    nodes = onnx.load(str(folder / "model.int8.onnx")).graph.node
    assert sum(n.op_type == "MatMulInteger" for n in nodes) == meta["int8"]["products"]
    assert meta["int8"]["products"] >= 4 * 3
    assert meta["int8"]["accepted"] and meta["int8"]["wer_fp32"] == 0.0
    assert meta["measured"]["model.onnx"]["wer"] == 0.0
    # The gate does not run sherpa-onnx; what that recognises has the same errors. With
    # random weights the tokens are nearly tied, and eight bits magnify the rounding of
    # the features: one utterance of the eight may differ.
    score = score_texts(said, texts_of(folder, "model.int8.onnx", data))
    assert 0 < score.chars.rate < 50  # another text, of the same model
    errors = sum(meta["measured"]["model.int8.onnx"]["errors_by_unit"])
    assert abs(score.words.errors - errors) <= max(
        map(len, map(str.split, said.values()))
    )
    assert meta["measured"]["model.int8.onnx"]["wer"] == meta["int8"]["wer_int8"]
    assert meta["measured"]["model.int8.onnx"]["chunk_ms"] > 0
    assert "model.int8.onnx" in meta["files"]
    assert "## In eight bits" in (folder / "README.md").read_text()


def test_a_model_of_espnets_features_is_refused_or_marked(tmp_path):
    tiny = supernet(tmp_path / "raw")
    with pytest.raises(
        UserError, match="sherpa-onnx's streaming models compute Kaldi's"
    ):
        export_streaming(tiny.dir, "sherpa-onnx")
    assert not (tiny.dir / "export" / "sherpa-onnx").exists()
    data = tmp_path / "data"
    data.mkdir()
    tables = {"wav.scp": [], "text": [], "utt2spk": []}
    for number in range(12):
        path = data / f"{number}.wav"
        soundfile.write(path, speech(1.0 + 0.1 * number, number), RATE)
        for name, value in (("wav.scp", path), ("text", "A B C"), ("utt2spk", "s")):
            tables[name].append(f"s-{number:02d} {value}\n")
    for name, lines in tables.items():
        (data / name).write_text("".join(lines))
    folder = export_streaming(tiny.dir, "sherpa-onnx", calibration=data)
    loss = read_json(folder / "meta.json")["approximate"]
    assert loss["fitted_on"] == loss["utterances"] == 6 and loss["words"] == 18
    # Near, and no more than that: half a hop lies between the two kinds of frames.
    assert 0.01 < loss["rms"] < 0.9
    assert "## Approximate" in (folder / "README.md").read_text()


def test_contexts_and_tokens_that_the_kind_does_not_have(tmp_path):
    host.register()
    for conf in (dict(left_context_frames=6), dict(left_context_frames=0)):
        experiment = fbank_model(tmp_path / str(conf["left_context_frames"]), **conf)
        with pytest.raises(UserError, match="counts the left context in chunks of 4"):
            export_streaming(experiment, "sherpa-onnx", fbank_rate=RATE)
    with pytest.raises(UserError, match="--calibration .*leave the option out"):
        export_streaming(
            fbank_model(tmp_path / "exact"),
            "sherpa-onnx",
            fbank_rate=RATE,
            calibration=tmp_path,
        )
    hop = build_tiny_asr(tmp_path / "hop", encoder=host.DUAL_MODE, encoder_conf=CONF)
    text = hop.config.read_text()
    hop.config.write_text(text.replace("hop_length: 160", "hop_length: 128"))
    with pytest.raises(UserError, match="hop_length 128: sherpa-onnx uses 160 samples"):
        export_streaming(hop.dir, "sherpa-onnx", calibration=tmp_path)
