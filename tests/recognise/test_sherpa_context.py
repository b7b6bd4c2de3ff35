"""sherpa-onnx's own decoder takes the graph of contextual words."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
import torch
from graph_paths import collapsed, viterbi
from tiny_export import build_fbank_model, espnet_log_probs

from espnet_plugin.bin import context_graph as command
from espnet_plugin.bin import export
from espnet_plugin.data.fbank import kaldi_fbank
from espnet_plugin.export.source import load_source
from espnet_plugin.files import read_pairs
from espnet_plugin.recognise.context_graph import context_graph
from espnet_plugin.recognise.hotwords import Hotwords, read_hotwords
from espnet_plugin.recognise.vocabulary import Vocabulary

for _package in ("onnx", "onnxruntime", "sherpa_onnx"):
    pytest.importorskip(_package)


@pytest.fixture(scope="module")
def exported(tiny_asr_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("context") / "export"
    options = ["--target", "sherpa-onnx", "--output_dir", str(folder)]
    assert export.main([str(tiny_asr_model.dir), *options]) == 0
    return folder


def run(folder, *args):
    done = subprocess.run(
        [sys.executable, str(folder / "run_sherpa.py"), *map(str, args)],
        capture_output=True,
        encoding="utf-8",
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def test_its_texts_are_the_best_paths(exported, tiny_asr_model, tmp_path):
    source = load_source(tiny_asr_model.dir)
    files = list(read_pairs(tiny_asr_model.wav_scp).values())
    _, without, _ = run(exported, *files)
    texts = [line.split("\t")[1] for line in without.splitlines()]
    words = tmp_path / "words.txt"
    # Something else than what the model hears, and similar to it.
    words.write_text("\n".join({f"{text[:-1]}A" for text in texts}))
    graph = tmp_path / "own.fst"
    options = ["--hotwords", str(words), "--hotword_weight", "2.5"]
    assert command.main([str(exported), *options, "--output", str(graph)]) == 0
    vocabulary = Vocabulary(source.facts.tokens, "char")
    count, never = len(vocabulary.tokens), vocabulary.silent | {1}
    hotwords = Hotwords(read_hotwords(words, 2.5), vocabulary)
    expected = []
    for path in files:
        samples = soundfile.read(path, dtype="float32")[0]
        (log_probs,) = espnet_log_probs(source.model, [samples])
        _, best = viterbi(context_graph(hotwords, count, 0, never), log_probs)
        expected.append(vocabulary.text(collapsed(best)))
    status, said, _ = run(exported, *files, "--graph", graph)
    assert status == 0
    assert [line.split("\t")[1] for line in said.splitlines()] == expected != texts
    program = shutil.which("sherpa-onnx-offline", path=Path(sys.executable).parent)
    if program is None:
        pytest.skip("package sherpa-onnx-bin is not installed")
    done = subprocess.run(
        [
            program,
            f"--omnilingual-asr-model={exported / 'model.onnx'}",
            *(f"--tokens={exported / 'tokens.txt'}", f"--ctc.graph={graph}", *files),
        ],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    lines = (done.stdout + done.stderr).splitlines()
    found = [json.loads(line)["text"] for line in lines if line.startswith('{"lang"')]
    assert found == expected


def test_what_is_given_by_mistake(exported, tiny_asr_model, tmp_path, caplog):
    words = tmp_path / "words.txt"
    words.write_text("J\u00dcRGEN\n")
    audio = next(iter(read_pairs(tiny_asr_model.wav_scp).values()))
    assert command.main([str(exported), "--hotwords", str(words)]) == 2
    assert f"{words}:1: the model cannot write '\u00dc'" in caplog.text
    for_onnx = tmp_path / "onnx"
    assert export.main([str(tiny_asr_model.dir), "--output_dir", str(for_onnx)]) == 0
    assert command.main([str(for_onnx), "--hotwords", str(words)]) == 2
    assert "give --hotwords to bin/recognise" in caplog.text
    for path, why in ((words, "this is no graph"), (tmp_path / "missing", "No such")):
        status, out, err = run(exported, audio, "--graph", path)
        assert (status, out) == (2, "") and f"--graph {path}: {why}" in err


def test_a_graph_is_of_the_tokens_beside_it(tiny_asr_model, tmp_path):
    """Exported again, perhaps with other tokens, it has to be made again."""
    words, folder = tmp_path / "words.txt", tmp_path / "export"
    words.write_text("ANN\n")
    again = [str(tiny_asr_model.dir), "--target", "sherpa-onnx"]
    again += ["--output_dir", str(folder)]
    assert export.main(again) == 0
    assert command.main([str(folder), "--hotwords", str(words)]) == 0
    assert (folder / "hotwords.fst").is_file()
    assert export.main(again) == 0
    assert not (folder / "hotwords.fst").exists()


def test_the_kind_for_filter_banks_takes_it_too(tmp_path):
    made = build_fbank_model(tmp_path)
    options = ["--target", "sherpa-onnx", "--fbank_rate", "16000"]
    assert export.main([str(made.dir), *options, "--sherpa_kind", "zipformer_ctc"]) == 0
    folder = made.dir / "export/sherpa-onnx"
    files = list(read_pairs(made.wav_scp).values())

    def said(*more):
        words = [str(folder / "run_sherpa_kaldi.py"), *files, *more]
        done = subprocess.run(
            [sys.executable, *words], capture_output=True, encoding="utf-8"
        )
        assert done.returncode == 0, done.stderr
        return [line.split("\t")[1] for line in done.stdout.splitlines()]

    texts = said()
    words = tmp_path / "words.txt"
    words.write_text("\n".join({f"{text[:-1]}A" for text in texts}))
    given = [str(folder), "--hotwords", str(words), "--hotword_weight", "2.5"]
    assert command.main(given) == 0
    source = load_source(made.dir, fbank_rate=16000)
    vocabulary = Vocabulary(source.facts.tokens, "char")
    hotwords = Hotwords(read_hotwords(words, 2.5), vocabulary)
    count, never = len(vocabulary.tokens), vocabulary.silent | {1}
    expected = []
    for path in files:
        samples = soundfile.read(path, dtype="float32")[0]
        features = torch.from_numpy(kaldi_fbank(samples, 16000, 20)).float()[None]
        with torch.no_grad():
            found, _ = source.model.encode(features, torch.tensor([features.size(1)]))
            log_probs = source.model.ctc.log_softmax(found)[0].numpy()
        _, best = viterbi(context_graph(hotwords, count, 0, never), log_probs)
        expected.append(vocabulary.text(collapsed(best)))
    assert said("--graph", str(folder / "hotwords.fst")) == expected != texts
