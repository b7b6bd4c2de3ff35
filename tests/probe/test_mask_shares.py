"""The command: a dense dual-mode model, masked in many ways."""

import shutil
from types import SimpleNamespace

import pytest
import soundfile
import torch
from tiny_asr import build_tiny_asr

from espnet_plugin import host
from espnet_plugin.bin.mask_shares import main
from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.experiment.meta import Meta
from espnet_plugin.files import read_json, read_pairs
from espnet_plugin.names import DUAL_MODE


def build(root, name, **more):
    """Write what a dual-mode training leaves."""
    conf = dict(macaron_style=True, cnn_module_kernel=7, chunk_frames=4)
    conf.update(left_context_frames=5, look_ahead_frames=2, **more)
    tiny = build_tiny_asr(root, name=name, encoder=DUAL_MODE, encoder_conf=conf)
    supernet, modes = Experiment(tiny.dir), ("full", "streaming")
    tiny.checkpoint.rename(supernet.final_masks_file)
    supernet.write_meta(Meta(method="dual_mode", seed=1, serves=(3,), modes=modes))
    return SimpleNamespace(
        dir=tiny.dir, config=tiny.config, checkpoint=supernet.final_masks_file
    )


@pytest.fixture(scope="module")
def made(tiny_asr_model, tmp_path_factory):
    """A dense dual-mode model, one with masks, and a stock model."""
    host.register()
    root = tmp_path_factory.mktemp("shares")
    pruned = build(root, "dual_masked", pruning=dict(sparsity=0.5))
    model, _ = load_asr_model(pruned.config, pruned.checkpoint)
    model.encoder.pruner.set_sparsity(1.0)
    torch.save(model.state_dict(), pruned.checkpoint)
    return SimpleNamespace(
        dense=build(root, "dual_dense"),
        masked=pruned.dir,
        stock=tiny_asr_model.dir,
        data=tiny_asr_model.data_dir,
    )


def run(made, folder, output, *more):
    words = [str(folder), "--dev_dir", str(made.data), "--output_dir", str(output)]
    return main([*words, *more])


def distance(wanted, said):
    """Edit distance, by the table of all prefixes."""
    row = list(range(len(said) + 1))
    for i, one in enumerate(wanted, 1):
        before, row = row, [i]
        for j, other in enumerate(said, 1):
            row.append(min(row[-1] + 1, before[j] + 1, before[j - 1] + (one != other)))
    return row[-1]


def test_loss_and_errors_are_those_of_espnet_without_masks(made, tmp_path):
    assert run(made, made.dense.dir, tmp_path / "out") == 0
    content = read_json(tmp_path / "out/mask_shares.json")
    whole, *others = content["alone"]
    assert whole["shares"] == dict(heads=0.0, units=0.0, channels=0.0)
    assert whole["removed"] == 0 and content["utterances"] == 6
    # Of its two heads one or none can be masked, so that there is one such line.
    assert [one["shares"]["heads"] for one in others] == [0.5] + 6 * [0.0]
    assert all(one["removed"] > 0 for one in others)
    # By ESPnet, each utterance by itself.
    model, args = load_asr_model(made.dense.config, made.dense.checkpoint)
    model.eval()
    losses, errors, count = [], 0, 0
    texts = read_pairs(made.data / "text")
    for name, path in read_pairs(made.data / "wav.scp").items():
        speech = torch.tensor(soundfile.read(path, dtype="float32")[0])[None]
        sizes = torch.tensor([speech.shape[1]])
        tokens = [
            args.token_list.index(c if c != " " else "<space>") for c in texts[name]
        ]
        with torch.no_grad(), model.encoder.using("streaming"):
            encoding, frames = model.encode(speech, sizes)
            target = torch.tensor([tokens])
            loss = model.ctc(encoding, frames, target, torch.tensor([len(tokens)]))
            path = model.ctc.argmax(encoding)[0].tolist()
        losses.append(float(loss))
        said = [a for a, b in zip(path, [0, *path]) if a and a != b and a != model.sos]
        errors, count = errors + distance(tokens, said), count + len(tokens)
    assert whole["loss"] == pytest.approx(sum(losses) / 6, rel=1e-4)
    assert whole["token_error_rate"] == pytest.approx(100 * errors / count)


def test_combinations_have_equal_size_and_are_in_order(made, tmp_path, capsys):
    options = ("--sparsity", "0.4", "--criterion", "l2", "--utterances", "3")
    assert run(made, made.dense.dir, tmp_path / "out", *options) == 0
    content = read_json(tmp_path / "out/mask_shares.json")
    assert content["utterances"] == 3 and content["criterion"] == "l2"
    losses = [one["loss"] for one in content["together"]]
    assert losses == sorted(losses) and len(losses) > 3
    equal = [c for c in content["together"] if set(c["shares"].values()) == {0.4}]
    assert len(equal) == 1
    for one in content["together"]:
        assert one["removed"] == pytest.approx(equal[0]["removed"], rel=0.1)
    table = (tmp_path / "out/mask_shares.md").read_text()
    assert table in capsys.readouterr().out + "\n"
    assert "dual_dense, streaming" in table and "3 utterances" in table


def test_refuses_models_without_a_dense_streaming_mode(made, tmp_path, caplog):
    for folder, said in {
        made.masked: "already has masks",
        made.stock: "was only trained for full: give a dual-mode model",
        tmp_path / "none": "none",
    }.items():
        caplog.clear()
        assert run(made, folder, tmp_path / "out") == 2
        assert said in caplog.text and "--modes" not in caplog.text
        assert not (tmp_path / "out").exists()


def test_refuses_wrong_data_and_options(made, tmp_path, caplog, capsys):
    (tmp_path / "file").touch()
    assert run(made, made.dense.dir, tmp_path / "file") == 2
    assert f"--output_dir {tmp_path}/file is a file" in caplog.text
    data = tmp_path / "data"
    shutil.copytree(made.data, data)
    names = [line.split()[0] for line in (data / "text").open()]
    (data / "text").write_text("".join(f"{name} \n" for name in names))
    words = [str(made.dense.dir), "--dev_dir", str(data)]
    assert main([*words, "--output_dir", str(tmp_path / "out")]) == 2
    assert "no usable utterance has a token" in caplog.text
    for option in (("--sparsity", "0"), ("--criterion", "taylor")):
        with pytest.raises(SystemExit):
            run(made, made.dense.dir, tmp_path / "out", *option)
        assert option[0] in capsys.readouterr().err
