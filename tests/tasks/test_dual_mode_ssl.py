"""Dual-mode wav2vec 2.0 by its command, and what an ASR model makes of the encoder."""

import math
from inspect import signature
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from tiny_asr import build_tiny_asr, write_stats, write_utterances

from espnet_plugin import host
from espnet_plugin.bin import dual_mode_ssl_train
from espnet_plugin.dual_mode.pretrained import (
    check_same_encoder,
    init_param,
    load_pretrained_encoder,
)
from espnet_plugin.errors import UserError
from espnet_plugin.files import read_json
from espnet_plugin.names import DUAL_MODE

CONFIG = Path(__file__).parents[2] / "conf/dualmode/pretrain_wav2vec2.yaml"
MELS, EPOCHS = 20, 2


def tiny_config() -> dict:
    """The configuration that is shipped, small."""
    config = yaml.safe_load(CONFIG.read_text())
    config["frontend_conf"]["n_mels"] = MELS
    config["encoder_conf"].update(
        output_size=16, attention_heads=2, linear_units=32, num_blocks=2
    )
    config["encoder_conf"]["pruning"].update(every=1)
    config.update(batch_type="sorted", batch_size=2, max_epoch=EPOCHS, num_workers=0)
    del config["batch_bins"]
    return config


def options(data, stats) -> list[str]:
    scp, shape = f"{data.wav_scp},speech,sound", f"{data.dir / 'utt2num_samples'}"
    return [
        *("--normalize_conf", f"stats_file={stats}"),
        *("--train_data_path_and_name_and_type", scp, "--train_shape_file", shape),
        *("--valid_data_path_and_name_and_type", scp, "--valid_shape_file", shape),
        *("--ngpu", "0", "--use_matplotlib", "false", "--use_tensorboard", "false"),
    ]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    root = tmp_path_factory.mktemp("ssl")
    data, stats = write_utterances(root / "data"), write_stats(root, MELS)
    config, folder = root / "config.yaml", root / "exp"
    config.write_text(yaml.safe_dump(tiny_config()))
    status = dual_mode_ssl_train.main(
        ["--config", f"{config}", "--output_dir", f"{folder}", *options(data, stats)]
    )
    assert status == 0
    return SimpleNamespace(folder=folder, data=data, conf=tiny_config(), stats=stats)


def test_the_command_trains_both_modes_to_the_end(trained):
    states = torch.load(trained.folder / "checkpoint.pth", weights_only=True)
    reporter = states["reporter"]["stats"]
    for epoch in range(1, EPOCHS + 1):
        for part in ("train", "valid"):
            stats = reporter[epoch][part]
            for name in ("loss", "loss_full", "loss_streaming", "loss_diversity"):
                assert math.isfinite(stats[name]), (epoch, part, name)
            for mode in ("full", "streaming"):
                assert 0.0 <= stats[f"acc_{mode}"] <= 1.0
    assert states["model"]["global_step"].item() == 3 * EPOCHS
    assert states["model"]["encoder.pruner.update"].item() == 3 * EPOCHS
    assert states["model"]["encoder.pruner.frozen"].item() == 1
    assert reporter[EPOCHS]["valid"]["sparsity"] == pytest.approx(0.5, abs=0.01)
    assert read_json(trained.folder / "cost.json")["flops"] > 0
    meta = read_json(trained.folder / "meta.json")
    assert meta["init_param"]["keep"].startswith(f"{trained.folder}/latest.pth:")


def asr(root, trained, name="asr", **conf):
    """An ASR model with the same encoder, and the checkpoint of the pre-training."""
    from espnet2.tasks.asr import ASRTask

    host.register()
    encoder_conf = {**trained.conf["encoder_conf"], **conf}
    for key in ("output_size", "attention_heads", "linear_units"):
        encoder_conf.pop(key)  # build_tiny_asr's are the same
    for key in ("dropout_rate", "input_layer"):
        encoder_conf.pop(key)
    blocks = encoder_conf.pop("num_blocks")
    tiny = build_tiny_asr(
        root,
        name=name,
        num_blocks=blocks,
        encoder=DUAL_MODE,
        encoder_conf=encoder_conf,
    )
    model, _ = ASRTask.build_model_from_file(tiny.config, tiny.checkpoint)
    return model, trained.folder / "latest.pth"


@pytest.mark.parametrize("masks", ["restart", "keep"])
def test_espnet_and_we_start_the_same_asr_encoder(trained, tmp_path, masks):
    from espnet2.torch_utils.load_pretrained_model import load_pretrained_model

    model, checkpoint = asr(tmp_path, trained)
    before = {k: v.clone() for k, v in model.encoder.state_dict().items()}
    state = {
        name.removeprefix("encoder."): value
        for name, value in torch.load(checkpoint, weights_only=True).items()
        if name.startswith("encoder.")
    }
    assert state.keys() == before.keys()
    value = init_param(checkpoint, masks)
    assert read_json(trained.folder / "meta.json")["init_param"][masks] == value
    load_pretrained_model(value, model, ignore_init_mismatch=False)
    theirs = {k: v.clone() for k, v in model.encoder.state_dict().items()}
    model.encoder.load_state_dict(before)
    load_pretrained_encoder(model.encoder, checkpoint, masks)
    for name, value in model.encoder.state_dict().items():
        own = masks == "restart" and name.startswith("pruner.")
        assert torch.equal(value, before[name] if own else state[name]), name
        assert torch.equal(value, theirs[name]), name
    sparsity = model.encoder.pruner.sparsity
    assert sparsity == pytest.approx(0.0 if masks == "restart" else 0.5, abs=0.01)


def test_an_encoder_that_does_not_fit_is_refused(trained, tmp_path):
    model, checkpoint = asr(tmp_path, trained, num_blocks=3)
    with pytest.raises(UserError, match="missing.*encoders.2"):
        load_pretrained_encoder(model.encoder, checkpoint)
    pruning = {**trained.conf["encoder_conf"]["pruning"], "sparsity": 0.3}
    model, _ = asr(tmp_path / "other", trained, pruning=pruning)
    with pytest.raises(UserError, match="masks: restart"):
        load_pretrained_encoder(model.encoder, checkpoint, "keep")
    load_pretrained_encoder(model.encoder, checkpoint, "restart")
    model, _ = asr(tmp_path / "dense", trained, pruning=None)
    with pytest.raises(UserError, match="surplus.*pruner"):
        load_pretrained_encoder(model.encoder, checkpoint, "keep")
    load_pretrained_encoder(model.encoder, checkpoint, "restart")
    with pytest.raises(UserError, match="masks 'all'"):
        init_param(checkpoint, "all")
    with pytest.raises(UserError, match="colon"):
        init_param("a:b/latest.pth")


def test_an_encoder_that_would_not_fit_is_refused_before_training(tmp_path, caplog):
    config, other = tiny_config(), tiny_config()
    other["encoder_conf"].update(num_blocks=3, chunk_frames=[2], dropout_rate=0.5)
    paths = tmp_path / "config.yaml", tmp_path / "fine.yaml"
    for path, content in zip(paths, (config, other)):
        path.write_text(yaml.safe_dump(content))
    cmd = ["--config", f"{paths[0]}", "--fine_tuning_config", f"{paths[1]}"]
    cmd += ["--output_dir", f"{tmp_path / 'exp'}"]
    assert dual_mode_ssl_train.main(cmd) == 2
    assert "encoder_conf.num_blocks is 2 in the pre-training's" in caplog.text
    assert not list((tmp_path / "exp").glob("*.pth"))


def test_the_shipped_configurations_fit_together():
    from espnet_plugin.dual_mode.encoder import DualModeConformerEncoder
    from espnet_plugin.dual_mode.options import SHAPING

    recipes = CONFIG.parents[2] / "egs2"
    tiny = CONFIG.parent
    for pair in (
        (CONFIG, CONFIG.with_name("train.yaml")),
        (CONFIG, recipes / "an4/dualmode1/conf/dualmode/train_an4.yaml"),
        (tiny / "tiny_pretrain.yaml", tiny / "tiny.yaml"),
    ):
        configs = [yaml.safe_load(file.read_text()) for file in pair]
        check_same_encoder(*configs, SHAPING)
    configs[1]["frontend_conf"]["n_mels"] += 1
    with pytest.raises(UserError, match="frontend_conf is"):
        check_same_encoder(*configs, SHAPING)
    assert set(SHAPING) < set(signature(DualModeConformerEncoder).parameters)


def test_another_encoder_or_loss_is_refused():
    from espnet_plugin.tasks.dual_mode_ssl import DualModeSSLTask

    for more, named in (
        (("--encoder", "conformer"), "conformer: must be dual_mode_conformer"),
        (("--model", "espnet"), "espnet: must be dual_mode"),
    ):
        args = DualModeSSLTask.get_parser().parse_args([*more])
        with pytest.raises(UserError, match=named):
            DualModeSSLTask.build_model(args)
    args = DualModeSSLTask.get_parser().parse_args([])
    args.normalize = None
    args.loss = [{"name": "wav2vec2", "conf": {"temperature": 0}}]
    with pytest.raises(UserError, match="temperature 0"):
        DualModeSSLTask.build_model(args)


def test_the_loss_serves_espnets_own_ssl_model():
    """wav2vec 2.0 on samples, with nothing of ours but the loss."""
    from espnet2.tasks.ssl import SSLTask

    host.register_ssl()
    args = SSLTask.get_parser().parse_args([])
    args.token_list, args.normalize = [], None
    args.frontend_conf = dict(
        norm_mode="layer_norm",
        conv_mode="standard",
        bias=False,
        shapes=[(12, 10, 5), (12, 8, 8), (12, 8, 8)],
    )
    args.preencoder_conf = dict(output_size=16)
    args.encoder_conf = dict(
        output_size=16,
        attention_heads=2,
        linear_units=16,
        num_blocks=1,
        input_layer=None,
    )
    sizes = dict(project_size=6, entries=4, code_size=6, distractors=5)
    args.loss = [{"name": "wav2vec2", "conf": dict(target_size=12, **sizes)}]
    args.util = [{"name": "mask", "conf": dict(mask_prob=0.5, mask_length=4)}]
    torch.manual_seed(0)
    model = SSLTask.build_model(args)
    assert type(model).__module__ == "espnet2.ssl.espnet_model"
    speech, lengths = 0.1 * torch.randn(2, 16000), torch.tensor([16000, 12000])
    caught = {}

    def note(module, given, kept, out):
        caught.update(kept)

    model.losses[0].register_forward_hook(note, with_kwargs=True)
    model.train()
    loss, stats, weight = model(speech, lengths)
    loss.backward()
    assert torch.isfinite(loss) and 0.0 <= stats["acc"] <= 1.0
    mask = caught["mask_info"]["mask_m"]
    assert int(weight) == int(mask.sum())
    # Targets come from frames that the mask has not touched.
    frames, _ = model.frontend(speech, lengths)
    assert torch.allclose(caught["frontend"], frames, atol=1e-5)
    assert model.losses[0].objective.quantiser.codes.grad.abs().sum() > 0
    assert model.frontend.layers[0].conv.weight.grad.abs().sum() > 0
    with torch.no_grad():
        model.eval()(speech, lengths)
    assert torch.equal(caught["frontend"], frames)
    model.train()(speech, lengths)
    cooled = model.losses[0].objective.quantiser.temperature
    assert cooled == pytest.approx(2.0 * 0.999995)
    with pytest.raises(UserError, match="target_size 12"):
        caught["frontend"] = frames[..., :7]
        model.losses[0](**caught)
    with pytest.raises(UserError, match="sub-sample"):
        caught["frontend"] = frames[:, ::2]
        model.losses[0](**caught)
