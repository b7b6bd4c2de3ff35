"""The command: a supernet in both modes beside a plain recogniser."""

import shutil
from types import SimpleNamespace

import pytest
import torch
import yaml
from tiny_asr import build_tiny_asr

from espnet_plugin import host
from espnet_plugin.bin.layer_probes import main
from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.experiment.meta import Meta
from espnet_plugin.files import read_json
from espnet_plugin.names import DUAL_MODE

MODES = ("full", "streaming")


@pytest.fixture(scope="module")
def made(tiny_asr_model, tmp_path_factory):
    """What a dual-mode training leaves, its streaming model, and a stock model."""
    host.register()
    root = tmp_path_factory.mktemp("probes")
    conf = dict(macaron_style=True, cnn_module_kernel=7, chunk_frames=[4, 3])
    conf.update(left_context_frames=5, look_ahead_frames=2, pruning=dict(sparsity=0.5))
    tiny = build_tiny_asr(root, name="dual_tiny", encoder=DUAL_MODE, encoder_conf=conf)
    model, _ = load_asr_model(tiny.config, tiny.checkpoint)
    model.encoder.pruner.set_sparsity(1.0)
    supernet = Experiment(tiny.dir)
    torch.save(model.state_dict(), supernet.final_masks_file)
    tiny.checkpoint.unlink()
    supernet.write_meta(Meta(method="dual_mode", seed=1, serves=(3,), modes=MODES))
    return SimpleNamespace(
        root=root, dual=tiny.dir, stock=tiny_asr_model.dir, data=tiny_asr_model.data_dir
    )


def probe(made, folders, output, *more):
    words = ["--train_dir", f"{made.data}", "--dev_dir", f"{made.data}"]
    words += ["--output_dir", f"{output}", "--epochs", "2", "--batch_size", "3"]
    return main([*map(str, folders), *words, *more])


def digests(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_both_modes_and_a_reference_in_one_table(made, tmp_path, capsys):
    before = digests(made.dual), digests(made.stock)
    assert probe(made, [made.dual, made.stock], tmp_path / "out") == 0
    assert (digests(made.dual), digests(made.stock)) == before
    content = read_json(tmp_path / "out/layer_probes.json")
    probes = content["probes"]
    assert [(one["experiment"], one["mode"]) for one in probes] == [
        ("dual_tiny", "full"),
        ("dual_tiny", "streaming"),
        ("asr_tiny", "full"),
    ]
    assert content["options"] == dict(
        epochs=2, batch_size=3, learning_rate=0.01, seed=1
    )
    texts = [line.split(maxsplit=1)[1] for line in (made.data / "text").open()]
    for one in probes:
        assert [layer["layer"] for layer in one["layers"]] == [1, 2, 3]
        for layer in one["layers"]:
            assert layer["tokens"] == sum(len(text.strip()) for text in texts)
            rate = 100 * layer["errors"] / layer["tokens"]
            assert layer["token_error_rate"] == pytest.approx(rate)
    full, streaming = (
        [layer["train_loss"] for layer in one["layers"]] for one in probes[:2]
    )
    assert all(a != b for a, b in zip(full, streaming))
    table = (tmp_path / "out/layer_probes.md").read_text()
    printed = capsys.readouterr().out
    rows = [line for line in table.splitlines() if line.startswith("| ")]
    assert all(row in printed for row in rows) and len(rows) == 5
    assert "dual_tiny, full | dual_tiny, streaming | asr_tiny, full" in rows[0]
    second = [one["layers"][1]["token_error_rate"] for one in probes]
    assert rows[3] == "| 2 | " + " | ".join(f"{rate:.1f}" for rate in second) + " |"
    png = (tmp_path / "out/layer_probes.png").read_bytes()
    svg = (tmp_path / "out/layer_probes.svg").read_text()
    assert png.startswith(b"\x89PNG") and svg.rstrip().endswith("</svg>")


def test_one_mode_of_it_is_the_same_as_among_others(made, tmp_path):
    assert probe(made, [made.dual], tmp_path / "a") == 0
    assert probe(made, [made.dual], tmp_path / "b", "--modes", "streaming") == 0
    both, one = (read_json(tmp_path / n / "layer_probes.json")["probes"] for n in "ab")
    assert one == both[1:] and one[0]["mode"] == "streaming"


def refused(made, tmp_path, caplog, folders, *more):
    assert probe(made, folders, tmp_path / "out", *more) == 2
    assert not (tmp_path / "out").exists()
    return caplog.text


def test_a_mode_that_was_not_trained_is_refused(made, tmp_path, caplog):
    said = refused(made, tmp_path, caplog, [made.stock], "--modes", "streaming")
    assert "--modes streaming" in said and "was only trained for full" in said


def test_a_folder_without_a_model_is_refused(made, tmp_path, caplog):
    assert "none" in refused(made, tmp_path, caplog, [tmp_path / "none"])


def test_a_file_instead_of_its_folder_is_named(made, tmp_path, caplog):
    file = made.stock / "config.yaml"
    said = refused(made, tmp_path, caplog, [file])
    assert f"{file} is a file: give the folder" in said and str(made.stock) in said


def test_a_file_as_the_output_is_refused_before_training(made, tmp_path, caplog):
    (tmp_path / "out").touch()
    assert probe(made, [tmp_path / "none"], tmp_path / "out") == 2
    assert f"--output_dir {tmp_path}/out: " in caplog.text
    assert "is not a folder" in caplog.text


def test_transcripts_that_the_tokens_cannot_write(made, tmp_path, caplog):
    data = tmp_path / "data"
    shutil.copytree(made.data, data)
    lines = (data / "text").read_text().splitlines()
    names = [line.split()[0] for line in lines]

    def run(texts, option):
        caplog.clear()
        (data / "text").write_text("".join(f"{n} {t}\n" for n, t in texts))
        words = (option, str(data))
        return probe(made, [made.stock], tmp_path / "out", *words), caplog.text

    status, said = run([(names[0], "zzz"), *zip(names[1:], "ABCDEFGH")], "--dev_dir")
    assert status == 0 and f"{data}/text: 1 of {len(names)} transcripts" in said
    assert f"e.g. that of {names[0]}" in said and "<unk>" in said
    status, said = run([(name, "") for name in names], "--train_dir")
    assert status == 2 and "no training utterance has a token" in said


def test_masks_that_moved_are_refused(made, tmp_path, caplog):
    folder = tmp_path / "dual_average"
    shutil.copytree(made.dual, folder)
    file = Experiment(folder).final_masks_file
    state = torch.load(file, weights_only=True)
    name = next(key for key in state if "mask_" in key)
    state[name] = torch.full_like(state[name], 0.5)
    torch.save(state, file)
    said = refused(made, tmp_path, caplog, [folder])
    assert "has values other than 0 and 1" in said and file.name in said


def test_models_with_other_tokens_are_not_compared(made, tmp_path, caplog):
    folder = tmp_path / "asr_other"
    shutil.copytree(made.stock, folder)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    tokens = list(config["token_list"])
    tokens[3], tokens[4] = tokens[4], tokens[3]
    config["token_list"] = tokens
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    said = refused(made, tmp_path, caplog, [made.stock, folder])
    assert "asr_other has other tokens than" in said


def test_a_set_without_transcripts_is_refused(made, tmp_path, caplog):
    folder = tmp_path / "data"
    folder.mkdir()
    shutil.copy(made.data / "wav.scp", folder)
    lines = (made.data / "text").read_text().splitlines()
    (folder / "text").write_text("\n".join(lines[2:]) + "\n")
    more = ["--dev_dir", f"{folder}"]
    said = refused(made, tmp_path, caplog, [made.stock], *more)
    assert "text lacks 2 of the 6 utterances of wav.scp" in said
    (folder / "text").write_text("".join(f"{one.split()[0]} \n" for one in lines))
    caplog.clear()
    said = refused(made, tmp_path, caplog, [made.stock], *more)
    assert "dev: no utterance has a token" in said


def test_audio_that_cannot_be_read_is_named(made, tmp_path, caplog):
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("wav.scp", "text"):
        shutil.copy(made.data / name, folder)
    scp = (folder / "wav.scp").read_text().replace("utt1.wav", "gone.wav")
    (folder / "wav.scp").write_text(scp)
    more = ["--train_dir", f"{folder}"]
    said = refused(made, tmp_path, caplog, [made.stock], *more)
    assert "utterance spk1-utt1 cannot be read" in said


@pytest.mark.parametrize(
    "more", [("--epochs", "0"), ("--learning_rate", "0"), ("--modes", "fast")]
)
def test_impossible_options_are_refused(made, tmp_path, more, capsys):
    with pytest.raises(SystemExit) as ended:
        probe(made, [made.stock], tmp_path, *more)
    assert ended.value.code == 2 and more[0] in capsys.readouterr().err


def test_segments_are_refused(made, tmp_path, caplog):
    """ESPnet's dataset would read whole recordings."""
    folder = tmp_path / "data"
    shutil.copytree(made.data, folder)
    (folder / "segments").write_text("a a 0 1\n")
    more = ["--dev_dir", f"{folder}"]
    said = refused(made, tmp_path, caplog, [made.stock], *more)
    assert "has segments" in said and "stage 2" in said
