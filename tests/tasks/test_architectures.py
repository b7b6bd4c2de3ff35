"""EncRL over architectures: a step is trained, and a plain model comes out."""

import sys
from types import ModuleType

import numpy as np
import pytest
import tiny_encrl
import torch
import yaml
from espnet2.tasks.asr import ASRTask
from plain_model import write_plain_model
from tiny_asr import build_tiny_asr, load_speech

from espnet_plugin.checkpoints.load import build_asr_model, load_asr_model
from espnet_plugin.distill import store_format
from espnet_plugin.distill.teacher import FrozenTeacher, encoder_outputs
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.config import read_config
from espnet_plugin.files import read_json, write_json
from espnet_plugin.jobs.family import finetune_family
from espnet_plugin.reference.importing import import_reference
from espnet_plugin.tasks.encrl import EncRLTask

LATEST = {"rel_pos_type": "latest"}
REFERENCES = {
    "conformer": dict(
        encoder_conf={
            **LATEST,
            "cnn_module_kernel": 7,
            "macaron_style": True,
            # A list has a value for each layer.
            "stochastic_depth_rate": [0.0, 0.1, 0.2],
        }
    ),
    "interctc": dict(
        encoder_conf={
            **LATEST,
            "cnn_module_kernel": 7,
            "interctc_layer_idx": [1],
            "interctc_use_conditioning": True,
        },
        model_conf={"interctc_weight": 0.5},
    ),
    "transformer": dict(encoder="transformer", encoder_conf={}),
    "branchformer": dict(
        encoder="branchformer",
        ctc_weight=0.3,
        encoder_conf={
            "cgmlp_linear_units": 32,
            "cgmlp_conv_kernel": 7,
            "merge_method": "fixed_ave",
            "cgmlp_weight": [0.2, 0.5, 0.7],
        },
    ),
    "e_branchformer": dict(
        encoder="e_branchformer",
        ctc_weight=0.3,
        encoder_conf={
            "cgmlp_linear_units": 32,
            "cgmlp_conv_kernel": 7,
            "use_ffn": True,
            "macaron_ffn": True,
        },
    ),
    "transducer": dict(
        encoder="e_branchformer",
        decoder="transducer",
        ctc_weight=0.3,
        encoder_conf={"cgmlp_linear_units": 32, "cgmlp_conv_kernel": 7},
    ),
}
NARROW_CGMLP = ("--student_encoder_conf", "cgmlp_linear_units=32")
STUDENTS = {
    # reference, options
    "conformer": ("conformer", ["--student_init", "last"]),
    "interctc": ("interctc", ["--student_init", "first"]),
    "transformer": ("transformer", ["--student_init", "spaced"]),
    "branchformer": ("branchformer", ["--student_init", "last"]),
    "e_branchformer": ("e_branchformer", ["--student_init", "first"]),
    "transducer": ("transducer", ["--student_init", "last"]),
    "narrow branchformer": ("branchformer", ["--student_output_size", "8"]),
    "conformer to e_branchformer": (
        "conformer",
        ["--student_encoder", "e_branchformer", *NARROW_CGMLP],
    ),
    "conformer to narrow transformer": (
        "conformer",
        ["--student_encoder", "transformer", "--student_output_size", "8"],
    ),
    "transformer to conformer": (
        "transformer",
        [
            *("--student_encoder", "conformer", "--student_num_layers", "5"),
            *("--student_encoder_conf", "cnn_module_kernel=5"),
        ],
    ),
    "fewer frames": (
        "e_branchformer",
        ["--student_encoder_conf", "input_layer=conv2d6", "--student_init", "last"],
    ),
    "half the frames": (
        "conformer",
        ["--student_encoder_conf", "input_layer=conv2d8", "--student_init", "spaced"],
    ),
    "a front end of its own": (
        "branchformer",
        [
            *("--student_frontend", "default", "--student_init", "last"),
            *("--student_frontend_conf", "hop_length=256"),
            *("--student_frontend_conf", "n_mels=12"),
        ],
    ),
    "more frames": ("conformer", ["--student_encoder_conf", "input_layer=conv2d2"]),
}


@pytest.fixture(scope="module")
def references(tmp_path_factory):
    """Every kind of reference, as ESPnet's own task writes it."""
    root = tmp_path_factory.mktemp("references")
    made = {}
    # Only the loss of a transducer needs this package, its tensors do not.
    stand_in = ModuleType("warprnnt_pytorch")
    stand_in.RNNTLoss = lambda **options: torch.nn.Identity()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "warprnnt_pytorch", stand_in)
        for name, conf in REFERENCES.items():
            made[name] = build_tiny_asr(root / name, **conf)
    return made


@pytest.mark.parametrize("name", STUDENTS)
def test_a_step_is_trained_and_stock_espnet_takes_the_result(
    references, tmp_path, name
):
    which, options = STUDENTS[name]
    model, args = tiny_encrl.build(references[which], tmp_path, *options)
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.01)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    speech, lengths = tiny_encrl.batch()
    loss, stats, _ = model.train()(speech, lengths, utt_id=["a", "b", "c"])
    loss.backward()
    optimiser.step()
    assert set(stats) >= {"loss_clip", "loss_mse"}
    still = [n for n, p in model.named_parameters() if torch.equal(p, before[n])]
    assert not still

    torch.save(model.state_dict(), tmp_path / "encrl.pth")
    kept = [0, args.student_num_layers - 1]
    plain = write_plain_model(
        vars(args), tmp_path / "encrl.pth", kept, tmp_path / "plain/model.pth"
    )
    # ESPnet loads with strict=False, so its keys are compared here.
    stock, _ = ASRTask.build_model_from_file(
        str(plain.parent / "config.yaml"), str(plain), "cpu"
    )
    assert type(stock).__name__ == "ESPnetASRModel"
    stored = torch.load(plain, weights_only=True)
    assert stock.state_dict().keys() == stored.keys()
    if len(kept) == args.student_num_layers:
        with torch.no_grad():
            ours, theirs = (
                encoder_outputs(m.eval(), speech, lengths) for m in (model, stock)
            )
        assert torch.equal(ours.log_posteriors, theirs.log_posteriors)


def test_other_frames_from_a_cache_are_those_of_the_teacher(
    references, tmp_path, monkeypatch
):
    # Single precision, so that nothing but the detour through the files is compared.
    monkeypatch.setattr(store_format, "POSTERIOR_DTYPE", np.dtype("<f4"))
    reference = references["conformer"]
    cached = ("--teacher_cache", str(tmp_path / "cache"))
    names = ["spk0-utt2", "spk1-utt1"]  # a batch of the validation data
    audio = [load_speech(reference, name) for name in names]
    lengths = torch.tensor([len(item) for item in audio])
    speech = torch.nn.utils.rnn.pad_sequence(audio, batch_first=True)
    for layer in ("conv2d8", "conv2d2"):
        option = ("--student_encoder_conf", f"input_layer={layer}")
        model, _ = tiny_encrl.build(reference, tmp_path / layer, *option)
        model.eval()
        live = model.teacher
        with torch.no_grad():
            expected = model(speech, lengths, utt_id=names)[1]
            # The second student reads what was stored for the first.
            other, _ = tiny_encrl.build(
                reference, tmp_path / f"c{layer}", *option, *cached
            )
            model.attach_teacher(other.teacher)
            actual = model(speech, lengths, utt_id=names)[1]
        frames = model.encode(speech, lengths)[1]
        assert not torch.equal(frames, live(speech, lengths).lengths)
        for name in ("loss_clip", "loss_mse"):
            assert actual[name] == pytest.approx(expected[name].item(), rel=1e-3)


def test_fine_tuning_goes_on_with_the_students_encoder(references, tmp_path):
    options = [
        *("--student_encoder", "e_branchformer", "--max_epoch", "1"),
        *("--student_encoder_conf", "input_layer=conv2d6"),
        *("--student_encoder_conf", "cgmlp_linear_units=32"),
    ]
    run = tmp_path / "encrl"
    cmd = tiny_encrl.options(references["conformer"], run, *options)
    EncRLTask.main(cmd=cmd)
    write_json(run / "done.json", {"finished": True})
    write_json(run / "meta.json", {"variant": "", "seed": 1})
    assert read_json(run / "cost.json")["teacher_flops"] > 0
    start = cmd.index("--train_data_path_and_name_and_type")
    training = {"max_epoch": 1, "best_model_criterion": [["valid", "cer_ctc", "min"]]}
    data = cmd[start : cmd.index("--max_epoch")]
    plots = ("--use_matplotlib", "false", "--use_tensorboard", "false")
    output = f"{tmp_path}/asr"
    finetune_family(run, [1], "last", training, [*data, *plots], output, 1)
    config = read_config(tmp_path / "asr_1l/config.yaml")
    assert config["encoder"] == "e_branchformer" and config["model"] == "espnet"
    assert config["encoder_conf"]["input_layer"] == "conv2d6"
    assert config["encoder_conf"]["num_blocks"] == 1
    stored = torch.load(tmp_path / "asr_1l/valid.cer_ctc.ave.pth", weights_only=True)
    stock, _ = ASRTask.build_model_from_file(
        str(tmp_path / "asr_1l/config.yaml"),
        str(tmp_path / "asr_1l/valid.cer_ctc.ave.pth"),
        "cpu",
    )
    assert stock.state_dict().keys() == stored.keys()


@pytest.mark.parametrize("name", ["interctc", "transducer", "branchformer"])
def test_an_imported_reference_computes_what_the_stock_model_does(
    references, tmp_path, name, caplog
):
    made = references[name]
    folder = import_reference(made.dir, tmp_path / "imported")
    ours, _ = load_asr_model(folder / "config.yaml", folder / made.checkpoint.name)
    meta = read_json(folder / "meta.json")
    assert meta["layers"] == 3
    if name == "transducer":
        assert "warprnnt_pytorch is not installed" in caplog.text
        stand_in = ModuleType("warprnnt_pytorch")
        stand_in.RNNTLoss = lambda **options: torch.nn.Identity()
    with pytest.MonkeyPatch.context() as patch:
        if name == "transducer":
            patch.setitem(sys.modules, "warprnnt_pytorch", stand_in)
        stock, _ = ASRTask.build_model_from_file(
            str(made.config), str(made.checkpoint), "cpu"
        )
    speech, lengths = tiny_encrl.batch()
    with torch.no_grad():
        encoding, frames = stock.eval().encode(speech, lengths)
        if name == "interctc":
            encoding, _ = encoding
        outputs = FrozenTeacher(ours)(speech, lengths)
    assert torch.equal(outputs.encoding, encoding)
    assert torch.equal(outputs.log_posteriors, stock.ctc.log_softmax(encoding))
    assert torch.equal(outputs.lengths, frames)


def test_a_front_end_that_is_not_installed_is_named(references, tmp_path):
    config = yaml.safe_load(references["transformer"].config.read_text())
    config.update(frontend="s3prl", frontend_conf={"frontend_conf": {"upstream": "x"}})
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    # What an environment without it says, also where it is installed.
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "s3prl", None)
        with pytest.raises(UserError, match="frontend s3prl.*not installed.*s3prl"):
            load_asr_model(path, references["transformer"].checkpoint)


def test_layers_that_the_configuration_does_not_count(references, tmp_path):
    made = references["transformer"]
    config = yaml.safe_load(made.config.read_text())
    config["encoder_conf"].pop("num_blocks")  # ESPnet's default is 6
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    config = read_config(path)
    model, args = build_asr_model(config, path)
    assert args.encoder_conf["num_blocks"] == 6 == len(model.encoder.encoders)
