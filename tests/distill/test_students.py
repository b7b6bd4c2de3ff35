"""Choosing a student's layers and copying them, tensor by tensor."""

import json

import pytest
import torch
from tiny_asr import build_tiny_asr

from espnet_plugin.checkpoints.layers import keep_layers
from espnet_plugin.distill.students import choose_layers, copy_weights
from espnet_plugin.errors import UserError


@pytest.mark.parametrize(
    "teacher, student, how, expected",
    [
        (12, 6, "first", [0, 1, 2, 3, 4, 5]),
        (12, 6, "last", [6, 7, 8, 9, 10, 11]),
        (12, 2, "spaced", [0, 11]),
        (12, 6, "spaced", [0, 2, 4, 7, 9, 11]),
        (6, 4, "spaced", [0, 2, 3, 5]),
        (3, 2, "spaced", [0, 2]),
        (12, 1, "first", [0]),
        (12, 1, "last", [11]),
        (12, 1, "spaced", [11]),
    ],
)
def test_choose_layers(teacher, student, how, expected):
    assert choose_layers(teacher, student, how) == expected


@pytest.mark.parametrize("how", ["first", "last", "spaced"])
def test_all_layers_are_all_layers_and_none_is_taken_twice(how):
    for teacher in range(1, 25):
        assert choose_layers(teacher, teacher, how) == list(range(teacher))
        for student in range(1, teacher + 1):
            layers = choose_layers(teacher, student, how)
            assert len(layers) == student
            assert layers == sorted(set(layers))
            assert 0 <= layers[0] and layers[-1] < teacher


@pytest.mark.parametrize(
    "teacher, student, how, what",
    [
        (3, 4, "last", "4 layers cannot be made from 3 layers: choose 1 to 3"),
        (3, 0, "first", "choose 1 to 3"),
        (3, 2, "middle", "'middle': must be one of first, last, spaced"),
    ],
)
def test_choose_layers_refuses(teacher, student, how, what):
    with pytest.raises(UserError, match=what):
        choose_layers(teacher, student, how)


def test_keep_layers_numbers_them_anew():
    state = {
        "encoder.embed.w": 9,
        **{f"encoder.encoders.{i}.a.w": i for i in range(12)},
        "decoder.decoders.1.w": 7,
    }
    assert keep_layers(state, [0, 11]) == {
        "encoder.embed.w": 9,
        "encoder.encoders.0.a.w": 0,
        "encoder.encoders.1.a.w": 11,
        "decoder.decoders.1.w": 7,
    }
    twice = keep_layers(state, [3, 3])
    assert twice["encoder.encoders.0.a.w"] == twice["encoder.encoders.1.a.w"] == 3


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """Build an ESPnet conformer with other weights than the fixture's."""
    from espnet2.tasks.asr import ASRTask

    def build_model(blocks, width=16, linear_units=32):
        made = build_tiny_asr(
            tmp_path_factory.mktemp("student"), num_blocks=blocks, seed=5
        )
        text = made.config.read_text()
        text = text.replace("output_size: 16", f"output_size: {width}")
        text = text.replace("linear_units: 32", f"linear_units: {linear_units}")
        made.config.write_text(text)
        return ASRTask.build_model_from_file(made.config, None, "cpu")[0]

    return build_model


def weights(made):
    """Return its state dict, with BatchNorm statistics as training would leave them."""
    state = torch.load(made.checkpoint, weights_only=True)
    generator = torch.Generator().manual_seed(1)
    for name, tensor in state.items():
        if "running_" in name:
            tensor.copy_(torch.rand(tensor.shape, generator=generator))
        elif "num_batches" in name:
            tensor.fill_(42)
        elif name.endswith("bias"):  # all zero in a fresh model
            tensor.copy_(torch.randn(tensor.shape, generator=generator))
    return state


def source(name, layers):
    """Return the teacher's name of a student's tensor."""
    parts = name.split(".")
    if parts[:2] == ["encoder", "encoders"]:
        parts[2] = str(layers[int(parts[2])]) if int(parts[2]) < len(layers) else "none"
    return ".".join(parts)


def check_complete(report, teacher, student, layers):
    """Every tensor of either side must stand in the report exactly once."""
    mismatched = [name for name, *_ in report.mismatched]
    ours = [*report.copied, *mismatched, *report.fresh]
    assert sorted(ours) == sorted(student.state_dict())
    used = [source(name, layers) for name in (*report.copied, *mismatched)]
    assert sorted({*used, *report.dropped}) == sorted(teacher)
    assert not {*used} & {*report.dropped}
    json.dumps(vars(report))  # it is written to a file


@pytest.mark.parametrize("how, layers", [("last", [1, 2]), ("spaced", [0, 2])])
def test_copies_the_chosen_layers_exactly(tiny_asr_model, build, how, layers):
    teacher, student = weights(tiny_asr_model), build(2)
    assert choose_layers(3, 2, how) == layers
    report = copy_weights(teacher, student, layers)
    check_complete(report, teacher, student, layers)
    assert not report.mismatched and not report.fresh
    (gone,) = {0, 1, 2} - set(layers)
    assert all(n.startswith(f"encoder.encoders.{gone}.") for n in report.dropped)
    state = student.state_dict()
    for name, tensor in state.items():
        assert torch.equal(tensor, teacher[source(name, layers)]), name
    buffers = [n for n in state if "running_" in n or "num_batches" in n]
    assert len(buffers) == 2 * 3 and set(buffers) <= set(report.copied)


def test_a_copy_shares_no_memory(tiny_asr_model, build):
    teacher, student = weights(tiny_asr_model), build(2)
    copy_weights(teacher, student, [1, 2])
    before = teacher["ctc.ctc_lo.weight"].clone()
    with torch.no_grad():
        student.ctc.ctc_lo.weight.add_(1)
    assert torch.equal(teacher["ctc.ctc_lo.weight"], before)


def test_a_narrower_student_reports_what_does_not_fit(tiny_asr_model, build):
    teacher, student = weights(tiny_asr_model), build(2, width=8, linear_units=16)
    before = {k: v.clone() for k, v in student.state_dict().items()}
    report = copy_weights(teacher, student, [1, 2])
    check_complete(report, teacher, student, [1, 2])
    assert ("ctc.ctc_lo.weight", (30, 16), (30, 8)) in report.mismatched
    assert "ctc.ctc_lo.weight: teacher (30, 16), student (30, 8)" in report.summary()
    assert "ctc.ctc_lo.bias" in report.copied
    for name, *_ in report.mismatched:
        assert torch.equal(student.state_dict()[name], before[name])


def test_narrower_layers_only(tiny_asr_model, build):
    teacher, student = weights(tiny_asr_model), build(2, linear_units=8)
    report = copy_weights(teacher, student, [0, 2])
    check_complete(report, teacher, student, [0, 2])
    assert report.mismatched
    assert all("feed_forward" in name for name, *_ in report.mismatched)


def test_a_decoder_is_dropped_and_surplus_layers_are_fresh(tiny_hybrid_model, build):
    teacher, student = weights(tiny_hybrid_model), build(3)
    report = copy_weights(teacher, student, [2, 0])
    check_complete(report, teacher, student, [2, 0])
    assert any(name.startswith("decoder.") for name in report.dropped)
    assert any(name.startswith("encoder.encoders.1.") for name in report.dropped)
    assert report.fresh
    assert all(name.startswith("encoder.encoders.2.") for name in report.fresh)


def test_no_match_is_an_error(tiny_asr_model, build):
    student = build(2)
    foreign = {f"net.{k}": v for k, v in weights(tiny_asr_model).items()}
    with pytest.raises(UserError, match="no weight of the reference fits"):
        copy_weights(foreign, student, [0, 1])
    # Statistics and other buffers alone are not a match.
    parameters = {name for name, _ in student.named_parameters()}
    buffers = {k: v for k, v in student.state_dict().items() if k not in parameters}
    assert buffers
    with pytest.raises(UserError, match="--student_init random"):
        copy_weights(buffers, student, [0, 1])
