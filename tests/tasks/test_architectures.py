"""EncRL over architectures: a step is trained, and a plain model comes out."""

import sys
from types import ModuleType

import pytest
import torch
from espnet2.tasks.asr import ASRTask
from test_encrl import _batch, _build, _options
from tiny_asr import build_tiny_asr

from espnet_plugin.distill.reference import import_reference
from espnet_plugin.distill.teacher import encoder_outputs
from espnet_plugin.errors import UserError
from espnet_plugin.export.espnet import write_plain_model
from espnet_plugin.export.load import load_asr_model, read_config
from espnet_plugin.files import read_json
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
    model, args = _build(references[which], tmp_path, *options)
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.01)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    speech, lengths = _batch()
    loss, stats, _ = model.train()(speech, lengths, utt_id=["a", "b", "c"])
    loss.backward()
    optimiser.step()
    assert set(stats) >= {"loss_clip", "loss_mse"}
    still = [n for n, p in model.named_parameters() if torch.equal(p, before[n])]
    assert not still

    torch.save(model.state_dict(), tmp_path / "encrl.pth")
    kept = [0, args.student_num_layers - 1]
    plain = write_plain_model(
        vars(args), tmp_path / "encrl.pth", kept, tmp_path / "plain", "model.pth"
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
