"""The whole recipe, on the eight real utterances that ESPnet's package carries."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import soundfile
import torch
import yaml
from mini_recipe import copy_recipe, run, table

STUDENTS = {2: "asr_encrl_s1_2l", 1: "asr_encrl_s1_1l"}
MODELS = ["asr_reference", *STUDENTS.values()]
SETS = {"dev": 1, "test": 2}  # utterances

pytestmark = pytest.mark.slow


def children_seconds() -> float:
    """Return the processor seconds of all finished child processes."""
    times = os.times()
    return times.children_user + times.children_system


def contents(recipe: Path) -> dict[str, str]:
    """Return a digest of everything the stages leave."""
    return {
        str(path.relative_to(recipe)): hashlib.sha256(path.read_bytes()).hexdigest()
        for top in ("data", "dump", "exp")
        for path in sorted((recipe / top).rglob("*"))
        # What spares reading all audio again may be written anew.
        if path.is_file() and path.name != ".digests"
    }


def test_eight_real_utterances(recipe):
    wavs = [
        path
        for name in ("train", "dev", "test")
        for path in table(recipe / "data" / name / "wav.scp").values()
    ]
    assert len(set(wavs)) == 8
    for path in wavs:
        info = soundfile.info(path)
        assert (info.format, info.samplerate, info.channels) == ("NIST", 16000, 1)
    assert table(recipe / "data/test/text")["mmxg-cen8-mmxg-b"] == (
        "OCTOBER TWENTY FOUR NINETEEN SEVENTY"
    )


@pytest.mark.parametrize("model", MODELS)
def test_models_are_finished_and_scored(recipe, model):
    folder = recipe / "exp" / model
    meta = json.loads((folder / "meta.json").read_text())
    cost = json.loads((folder / "cost.json").read_text())
    assert cost["epochs"] == 2 and cost["flops"] > 0
    # Five training utterances, twice; the files have headers of 1024 bytes.
    train = table(recipe / "data/train/wav.scp").values()
    seconds = sum((os.path.getsize(path) - 1024) / 2 / 16000 for path in train)
    assert cost["audio_seconds"] == pytest.approx(2 * seconds, rel=1e-3)
    state = torch.load(folder / meta["checkpoint"], weights_only=True)
    layers = {int(k.split(".")[2]) for k in state if k.startswith("encoder.encoders.")}
    assert len(layers) == meta["layers"]
    assert json.loads((folder / "rtf.json").read_text())["encoder_rtf"] > 0
    for name, number in SETS.items():
        decoded = folder / "decode_best_path" / name
        reference = table(recipe / "data" / name / "text")
        assert list(table(decoded / "text")) == list(reference)
        score = json.loads((decoded / "score.json").read_text())
        assert score["utterances"] == number
        assert score["words"] == sum(len(text.split()) for text in reference.values())


def test_report(recipe):
    # What --teacher_cache leaves beside the models is none of them.
    (recipe / "exp/teacher_cache").mkdir()
    (recipe / "exp/teacher_cache/meta.json").write_text("{}")
    run(recipe, "--stage", "9", "--stop_stage", "9")
    results = json.loads((recipe / "results.json").read_text())
    rows = {(row["method"], row["layers"]): row for row in results["rows"]}
    assert results["corpus"] == "mini_an4"
    assert set(rows) == {("reference", 3), ("encrl", 2), ("encrl", 1)}
    assert all(row["test_words"] == 10 for row in rows.values())
    (shared,) = results["shared"]
    assert shared["serves"] == [2, 1] and shared["teacher_flops"] > 0
    assert rows["encrl", 1]["shared"] == rows["encrl", 2]["shared"] == shared["name"]
    assert rows["encrl", 2]["teacher_flops"] == 0
    assert "| encrl" in (recipe / "RESULTS.md").read_text()
    for row in results["rows"]:
        assert row["macs_per_audio_second"] > row["params"]
        assert 0.9 * row["params"] < row["params_nonzero"] <= row["params"]
        # EncRL's epochs come first in the curve of what goes on from it.
        epochs = 2 + (shared["epochs"] if row["method"] == "encrl" else 0)
        assert len(row["dev_loss_by_epoch"].split()) == epochs
    for name in ("report.html", "wer_rtf.png", "learning_curves.png"):
        assert (recipe / "exp/report" / name).is_file()


def test_again_is_quick_and_changes_nothing(recipe):
    before = contents(recipe)
    started = children_seconds()
    result = run(recipe, "--stop_stage", "7", warm=False)
    seconds = children_seconds() - started
    assert contents(recipe) == before
    assert ": on dev " not in result.stderr
    # Of the processor, since the machine may be busy; nearly all of it is importing
    # ESPnet once a stage.
    assert seconds < 200


def test_another_configuration_in_the_same_folder_is_refused(recipe):
    before = contents(recipe)
    options = ["--stage", "5", "--stop_stage", "5", "--encrl_epochs", "7"]
    result = run(recipe, *options, check=False)
    assert result.returncode == 2
    assert "another" in result.stderr and "--tag" in result.stderr
    assert contents(recipe) == before


def test_a_stage_before_its_input_names_the_stage(tmp_path):
    recipe = copy_recipe(tmp_path)
    result = run(recipe, "--stage", "5", "--stop_stage", "7", check=False)
    assert result.returncode == 2 and "run stage 3 first" in result.stderr
    stats = recipe / "exp/asr_stats_raw_char"
    stats.mkdir(parents=True)
    (stats / ".done").touch()
    result = run(recipe, "--stage", "5", "--stop_stage", "7", check=False)
    assert result.returncode == 2
    assert "exp/asr_reference/meta.json is missing" in result.stderr
    assert "run stage 4 first" in result.stderr
    assert not list(recipe.glob("exp/encrl*"))


# Runs in the recipe's folder where espnet_plugin cannot be imported: ESPnet's own
# inference, and a best path from ESPnet's own model by definition.
STOCK = """
import itertools, json, sys
import soundfile, torch
try:
    import espnet_plugin
except ImportError:
    pass
else:
    sys.exit("espnet_plugin can be imported")
from espnet2.bin.asr_inference import Speech2Text, main

model_dir, checkpoint, output = sys.argv[1:]
main(cmd=[
    "--asr_train_config", f"{model_dir}/config.yaml",
    "--asr_model_file", f"{model_dir}/{checkpoint}",
    "--data_path_and_name_and_type", "dump/raw/test/wav.scp,speech,sound",
    "--key_file", "dump/raw/test/wav.scp",
    "--output_dir", f"{output}/prefix", "--ngpu", "0", "--num_workers", "0",
    "--ctc_weight", "1.0", "--beam_size", "1",
])
model = Speech2Text(f"{model_dir}/config.yaml", f"{model_dir}/{checkpoint}").asr_model
texts = {}
for line in open("dump/raw/test/wav.scp"):
    utt, path = line.split()
    speech = torch.from_numpy(soundfile.read(path, dtype="float32")[0])[None]
    with torch.no_grad():
        encoded, _ = model.encode(speech, torch.tensor([speech.shape[1]]))
    ids = model.ctc.argmax(encoded)[0].tolist()
    tokens = [model.token_list[i] for i, _ in itertools.groupby(ids) if i != 0]
    texts[utt] = "".join(tokens).replace("<space>", " ")
json.dump(texts, open(f"{output}/best_path.json", "w"))
"""


@pytest.fixture(scope="module", params=STUDENTS.values())
def stock(request, recipe, tmp_path_factory):
    """What stock ESPnet recognises with a student, without the plugin."""
    folder = tmp_path_factory.mktemp("stock")
    (folder / "hidden/espnet_plugin").mkdir(parents=True)
    (folder / "hidden/espnet_plugin/__init__.py").write_text(
        "raise ImportError('not installed')\n"
    )
    script = folder / "stock.py"
    script.write_text(STOCK)
    model = Path("exp", request.param)
    checkpoint = json.loads((recipe / model / "meta.json").read_text())["checkpoint"]
    result = subprocess.run(
        [sys.executable, "-P", script, model, checkpoint, folder],
        cwd=recipe,
        env={**os.environ, "PYTHONPATH": f"{folder}/hidden", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr[-4000:]
    return SimpleNamespace(
        model=recipe / model,
        best_path=json.loads((folder / "best_path.json").read_text()),
        prefix=table(folder / "prefix/1best_recog/text"),
    )


def normal(texts: dict[str, str]) -> dict[str, str]:
    """Return texts as a Kaldi table can hold them, with single inner spaces."""
    return {utt: " ".join(text.split()) for utt, text in texts.items()}


def test_student_decodes_without_the_plugin_as_here(stock):
    ours = table(stock.model / "decode_best_path/test/text")
    assert normal(stock.best_path) == ours
    assert any(ours.values())


def test_prefix_search_is_that_of_stock_inference(stock, recipe, tmp_path, monkeypatch):
    from espnet_plugin.bin import decode

    # The configuration names its statistics from the recipe's folder.
    monkeypatch.chdir(recipe)
    checkpoint = json.loads((stock.model / "meta.json").read_text())["checkpoint"]
    status = decode.main(
        [
            *("--asr_train_config", f"{stock.model / 'config.yaml'}"),
            *("--asr_model_file", f"{stock.model / checkpoint}"),
            *("--data_path_and_name_and_type", "dump/raw/test/wav.scp,speech,sound"),
            *("--key_file", "dump/raw/test/wav.scp"),
            *("--output_dir", f"{tmp_path / 'test'}", "--method", "prefix"),
        ]
    )
    assert status == 0
    assert table(tmp_path / "test/text") == stock.prefix
    assert any(stock.prefix.values())


def stock_espnet(recipe: Path, folder: Path, module: str, *options: str) -> None:
    """Run a stock command in the recipe, where the plugin cannot be imported."""
    hidden = folder / "hidden/espnet_plugin"
    hidden.mkdir(parents=True, exist_ok=True)
    (hidden / "__init__.py").write_text("raise ImportError('not installed')\n")
    result = subprocess.run(
        [sys.executable, "-P", "-m", module, *options],
        cwd=recipe,
        env={**os.environ, "PYTHONPATH": str(hidden.parent), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr[-4000:]


def pack(recipe: Path, folder: Path, name: str) -> Path:
    """Pack a model with ``espnet2.bin.pack``."""
    model = Path("exp", name)
    checkpoint = json.loads((recipe / model / "meta.json").read_text())["checkpoint"]
    stock_espnet(
        *(recipe, folder, "espnet2.bin.pack", "asr"),
        *("--asr_train_config", f"{model}/config.yaml"),
        *("--asr_model_file", f"{model}/{checkpoint}"),
        *("--option", "exp/asr_stats_raw_char/train/feats_stats.npz"),
        *("--outpath", str(folder / f"{name}.zip")),
    )
    return folder / f"{name}.zip"


def test_packed_model_is_a_reference_elsewhere(recipe, tmp_path):
    packed = pack(recipe, tmp_path, "asr_reference")
    other = copy_recipe(tmp_path)
    options = ["--reference", str(packed), "--sizes", "1"]
    run(other, *options, "--stop_stage", "4")
    imported = other / "exp/asr_reference"
    theirs = torch.load(recipe / "exp/asr_reference/valid.cer_ctc.ave.pth")
    name = json.loads((imported / "meta.json").read_text())["checkpoint"]
    ours = torch.load(imported / name, weights_only=True)
    assert set(ours) == set(theirs)
    assert all(torch.equal(ours[k], theirs[k]) for k in ours)
    # No token list of its own is made.
    assert not (other / "data/token_list").exists()
    run(other, *options, "--stage", "5", "--stop_stage", "7")
    score = other / "exp/asr_encrl_s1_1l/decode_best_path/test/score.json"
    assert json.loads(score.read_text())["words"] == 10


def test_students_are_packed_and_fine_tuned_without_the_plugin(recipe, tmp_path):
    assert pack(recipe, tmp_path, STUDENTS[1]).stat().st_size > 1000
    student = Path("exp", STUDENTS[1])
    data = [
        *("--train_data_path_and_name_and_type", "dump/raw/train/wav.scp,speech,sound"),
        *("--train_data_path_and_name_and_type", "dump/raw/train/text,text,text"),
        *("--valid_data_path_and_name_and_type", "dump/raw/dev/wav.scp,speech,sound"),
        *("--valid_data_path_and_name_and_type", "dump/raw/dev/text,text,text"),
        *("--train_shape_file", "exp/asr_stats_raw_char/train/speech_shape"),
        *("--valid_shape_file", "exp/asr_stats_raw_char/valid/speech_shape"),
    ]
    # As a user would: the model's own part of its configuration, and a new optimiser.
    config = yaml.safe_load((recipe / student / "config.yaml").read_text())
    names = ("token_list", "token_type", "frontend", "normalize", "encoder", "model")
    model = {k: v for k, v in config.items() if k.removesuffix("_conf") in names}
    (tmp_path / "tune.yaml").write_text(yaml.safe_dump(model))
    stock_espnet(
        *(recipe, tmp_path, "espnet2.bin.asr_train"),
        *("--config", str(tmp_path / "tune.yaml"), "--max_epoch", "1"),
        *("--optim_conf", "lr=0.01", "--ngpu", "0", "--batch_type", "unsorted"),
        *("--init_param", f"{student}/valid.cer_ctc.ave.pth"),
        *("--output_dir", str(tmp_path / "tuned")),
        *data,
    )
    before = torch.load(recipe / student / "valid.cer_ctc.ave.pth", weights_only=True)
    after = torch.load(tmp_path / "tuned/1epoch.pth", weights_only=True)
    assert set(before) == set(after)
    assert any(not torch.equal(before[k], after[k]) for k in before)


def test_features_computed_beforehand(tmp_path):
    recipe = copy_recipe(tmp_path)
    run(recipe, "--feats_type", "fbank", "--sizes", "1", "--stop_stage", "7")
    config = (recipe / "exp/asr_encrl_s1_1l/config.yaml").read_text()
    assert "frontend: null" in config
    score = recipe / "exp/asr_encrl_s1_1l/decode_best_path/test/score.json"
    assert json.loads(score.read_text())["words"] == 10


def test_exported_models_write_what_espnet_writes(recipe):
    pytest.importorskip("onnxruntime")
    run(recipe, "--stage", "10", "--stop_stage", "10")
    for model in STUDENTS.values():
        folder = recipe / "exp" / model
        exported = folder / "export/onnx"
        assert (exported / "model.onnx").is_file()
        waves = table(recipe / "data/test/wav.scp")
        out = subprocess.run(
            [sys.executable, exported / "recognise.py", *waves.values()],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        said = [line.partition("\t")[2] for line in out.splitlines()]
        decoded = table(folder / "decode_best_path/test/text")
        assert said == [decoded.get(name, "") for name in waves]
