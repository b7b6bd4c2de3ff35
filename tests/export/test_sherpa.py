"""sherpa-onnx's own programs say what ESPnet says, or the export is refused."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tiny_export import build_fbank_model, espnet_log_probs, noise

from espnet_plugin.bin.export import main
from espnet_plugin.errors import UserError
from espnet_plugin.export.facts import ModelFacts
from espnet_plugin.export.graph.omnilingual import OmnilingualRecogniser
from espnet_plugin.export.ports import SamplesPort
from espnet_plugin.export.sherpa import sherpa_target, sherpa_tokens, taken_for_byte_bpe
from espnet_plugin.export.source import load_source
from espnet_plugin.files import read_pairs

FACTS = ModelFacts(
    experiment="asr_made_up",
    checkpoint="model.pth",
    checkpoint_sha256="0" * 64,
    encoder="conformer",
    layers=1,
    parameters=1,
    front_end="default",
    feature_dim=80,
    sample_rate=16000,
    hop=160,
    stride=4,
    tokens=("<blank>", "<unk>", "<space>", "A", "B", "<sos/eos>"),
    blank=0,
    drop=(5,),
    token_type="char",
)


def with_tokens(*tokens, token_type="char"):
    tokens = ("<blank>", "<unk>", *tokens, "<sos/eos>")
    return replace(FACTS, tokens=tokens, drop=(len(tokens) - 1,), token_type=token_type)


@pytest.fixture(scope="module")
def exported(tiny_asr_model, tmp_path_factory):
    for package in ("onnx", "onnxruntime", "sherpa_onnx"):
        pytest.importorskip(package)
    folder = tmp_path_factory.mktemp("sherpa") / "export"
    options = ["--target", "sherpa-onnx", "--dev", str(tiny_asr_model.data_dir)]
    options += ["--output_dir", str(folder)]
    assert main([str(tiny_asr_model.dir), *options]) == 0
    return folder


def expected_text(source, samples):
    """Best path by hand, without ``<unk>``, as sherpa-onnx joins it."""
    (log_probs,) = espnet_log_probs(source.model, [samples])
    log_probs[:, 1] = -1e9
    best = log_probs.argmax(1)
    kept = [t for t, before in zip(best, [0, *best]) if t not in (0, before, 29)]
    tokens = [source.facts.tokens[number] for number in kept]
    return "".join(" " if token == "<space>" else token for token in tokens).strip()


def test_its_script_says_what_espnet_says(exported, tiny_asr_model):
    import soundfile

    source = load_source(tiny_asr_model.dir)
    files = list(read_pairs(tiny_asr_model.wav_scp).values())
    done = subprocess.run(
        [sys.executable, str(exported / "run_sherpa.py"), *files],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    said = dict(line.split("\t", 1) for line in done.stdout.splitlines())
    for path in files:
        samples = soundfile.read(path, dtype="float32")[0]
        assert said[path] == expected_text(source, samples)
    meta = json.loads((exported / "meta.json").read_text())
    assert meta["verified"]["runner"] == [
        dict(script="run_sherpa.py", model="model.onnx", utterances=6, same_texts=6)
    ]


def test_its_script_on_what_cannot_be_used(exported, tiny_asr_model, tmp_path):
    def run(folder, *args):
        done = subprocess.run(
            [sys.executable, str(folder / "run_sherpa.py"), *map(str, args)],
            capture_output=True,
            text=True,
        )
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    good = next(iter(read_pairs(tiny_asr_model.wav_scp).values()))
    cut = tmp_path / "cut.wav"
    cut.write_bytes(Path(good).read_bytes()[:9000])
    status, out, err = run(exported, cut, good)
    assert status == 1 and out == run(exported, good)[1] != ""
    assert f"{cut}: is truncated" in err
    status, out, err = run(exported, good, "--model", "tokens.txt")
    assert (status, out) == (2, "") and "--model tokens.txt: " in err
    copy = tmp_path / "copy"
    shutil.copytree(exported, copy)
    (copy / "tokens.txt").write_text("<blk> 0\n")
    status, out, err = run(copy, good)
    assert (status, out) == (2, "") and "tokens.txt does not have 30 tokens" in err


def test_its_command_line(exported, tiny_asr_model):
    program = shutil.which("sherpa-onnx-offline", path=str(Path(sys.executable).parent))
    program = program or shutil.which("sherpa-onnx-offline")
    if program is None:
        pytest.skip("package sherpa-onnx-bin is not installed")
    import soundfile

    path = next(iter(read_pairs(tiny_asr_model.wav_scp).values()))
    done = subprocess.run(
        [
            program,
            f"--omnilingual-asr-model={exported / 'model.onnx'}",
            f"--tokens={exported / 'tokens.txt'}",
            path,
        ],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    lines = (done.stdout + done.stderr).splitlines()
    found = next(json.loads(line) for line in lines if line.startswith('{"lang"'))
    source = load_source(tiny_asr_model.dir)
    samples = soundfile.read(path, dtype="float32")[0]
    assert found["text"].strip() == expected_text(source, samples)
    # Frames of 40 ms, so times are even multiples of 20 ms.
    assert all(round(t / 0.04, 3).is_integer() for t in found["timestamps"])
    assert max(found["timestamps"]) <= len(samples) / 16000


@pytest.mark.parametrize("level", [0.003, 0.1, 0.5])
def test_the_level_of_the_audio_is_found_again(tiny_asr_model, level):
    source = load_source(tiny_asr_model.dir)
    vocabulary = len(source.facts.tokens)
    inner = SamplesPort().build(source)
    module = OmnilingualRecogniser(inner, 2, [1], vocabulary, -1e4).eval()
    samples = level * 10 * noise(20000, 3)
    given = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-5)
    with torch.no_grad():
        found = module(torch.from_numpy(given.astype(np.float32))[None])[0].numpy()
    (expected,) = espnet_log_probs(source.model, [samples])
    assert found.shape == (2 * len(expected), vocabulary)
    np.testing.assert_array_equal(found[::2], found[1::2])
    others = [n for n in range(vocabulary) if n != 1]
    np.testing.assert_allclose(found[::2, others], expected[:, others], atol=0.01)
    assert (found[:, 1] < -9e3).all()


def test_tokens_by_type():
    assert sherpa_tokens(FACTS) == ("<blank>", "<unk>", "\u2581", "A", "B", "</s>")
    bpe = with_tokens("\u2581THE", "S", token_type="bpe")
    assert sherpa_tokens(bpe)[2:4] == ("\u2581THE", "S")
    words = with_tokens("THE", "CAT", token_type="word")
    assert sherpa_tokens(words)[2:4] == ("\u2581THE", "\u2581CAT")


@pytest.mark.parametrize(
    "tokens, says",
    [
        (("A", "SIL"), "left out"),
        (("<space>", "\u2581", "A"), "twice"),
        (("A", "A"), "twice"),
        (("A B",), "white space"),
        (("<0x41>",), "is a byte"),
        (("a", "h", "\u01a1"), "byte-level"),
    ],
)
def test_tokens_that_would_be_misread(tokens, says):
    with pytest.raises(UserError, match=says):
        sherpa_tokens(with_tokens(*tokens))


def test_byte_level_guess():
    assert taken_for_byte_bpe(["h", "\u01a1"])
    # A higher letter, or the mark of a new word, and it is not guessed any more.
    assert not taken_for_byte_bpe(["h", "\u01a1", "\u01d0"])
    assert not taken_for_byte_bpe(["h", "\u01a1", "\u2581"])
    assert not taken_for_byte_bpe(["h", "a"])


def test_another_rate_and_odd_frames(tiny_asr_model):
    source = load_source(tiny_asr_model.dir)
    with pytest.raises(UserError, match="8000 Hz"):
        sherpa_target(replace(source, facts=replace(FACTS, sample_rate=8000)))
    target = sherpa_target(replace(source, facts=replace(FACTS, hop=128)))
    assert "are wrong by the factor 1.25" in target.warnings[-1]
    # That an offset of the audio is lost is said of every model.
    (always,) = sherpa_target(replace(source, facts=FACTS)).warnings
    assert always == target.warnings[0] and "offset" in always


def test_an_offset_of_the_audio_is_lost_and_the_card_says_so(tiny_asr_model, tmp_path):
    for package in ("onnx", "onnxruntime", "sherpa_onnx"):
        pytest.importorskip(package)
    data = tmp_path / "data"
    data.mkdir()
    table = []
    for name, path in list(read_pairs(tiny_asr_model.wav_scp).items())[:2]:
        samples, rate = soundfile.read(path)
        soundfile.write(data / f"{name}.wav", samples + 0.002, rate)
        table.append(f"{name} {data / name}.wav\n")
    (data / "wav.scp").write_text("".join(table))
    names = {line.split()[0] for line in table}
    text = read_pairs(tiny_asr_model.data_dir / "text")
    (data / "text").write_text("".join(f"{n} {text[n]}\n" for n in sorted(names)))
    (data / "utt2spk").write_text("".join(f"{n} {n}\n" for n in sorted(names)))
    options = ["--dev", str(data), "--output_dir", str(tmp_path / "out")]
    command = [str(tiny_asr_model.dir), "--target", "sherpa-onnx", *options]
    assert main(command) == 0
    card = (tmp_path / "out/README.md").read_text()
    assert "approximate: their log-probabilities differ by up to" in card


def test_kaldi_filter_banks_through_raw_audio(tmp_path):
    for package in ("onnx", "onnxruntime", "sherpa_onnx"):
        pytest.importorskip(package)
    made = build_fbank_model(tmp_path)
    options = ["--target", "sherpa-onnx", "--fbank_rate", "16000"]
    assert main([str(made.dir), *options, "--dev", str(made.data_dir)]) == 0
    meta = json.loads((made.dir / "export/sherpa-onnx/meta.json").read_text())
    assert meta["verified"]["runner"][0]["same_texts"] == 6


def test_the_kind_that_computes_kaldi_filter_banks(tmp_path):
    for package in ("onnx", "onnxruntime", "sherpa_onnx"):
        pytest.importorskip(package)
    made = build_fbank_model(tmp_path)
    options = ["--target", "sherpa-onnx", "--fbank_rate", "16000"]
    options += ["--sherpa_kind", "zipformer_ctc", "--dev", str(made.data_dir)]
    assert main([str(made.dir), *options]) == 0
    folder = made.dir / "export" / "sherpa-onnx"
    meta = json.loads((folder / "meta.json").read_text())
    assert meta["sherpa_kind"] == "zipformer_ctc"
    # What sherpa-onnx's own features and search say is what ESPnet says.
    assert meta["verified"]["runner"][0]["same_texts"] == 6
    assert meta["verified"]["parity"]["max_difference"] <= 1e-4


def test_digital_silence_is_the_same_for_that_kind():
    from espnet_plugin.data.fbank import kaldi_fbank
    from espnet_plugin.export.sherpa_kaldi import ZipformerGraph

    silence = torch.from_numpy(kaldi_fbank(np.zeros(4000, np.float32), 16000, 20))
    speech = torch.from_numpy(kaldi_fbank(noise(4000, 1), 16000, 20))
    seen = []

    class Recogniser(torch.nn.Module):
        def forward(self, feats, lengths):
            seen.append(feats)
            return torch.zeros(1, feats.size(1), 3), lengths

    graph = ZipformerGraph(Recogniser(), [1], 3)
    # What the kind computes: of samples in [-1, 1], and not of 16-bit numbers.
    kaldi = torch.cat([silence, speech - 2 * np.log(32768.0)]).float()[None]
    log_probs, _ = graph(kaldi, torch.tensor([kaldi.size(1)]))
    torch.testing.assert_close(seen[0][0], torch.cat([silence, speech]))
    assert (log_probs[..., 1] < -9e3).all() and (log_probs[..., 0] == 0).all()


def test_that_kind_is_for_filter_banks_alone(tiny_asr_model, caplog):
    options = ["--sherpa_kind", "zipformer_ctc"]
    assert main([str(tiny_asr_model.dir), *options, "--target", "sherpa-onnx"]) == 2
    assert "does not take Kaldi's filter banks" in caplog.text
    assert main([str(tiny_asr_model.dir), *options]) == 2
    assert "--sherpa_kind zipformer_ctc: only for --target sherpa-onnx" in caplog.text
