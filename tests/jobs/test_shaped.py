"""How a student with a width of its own is asked for."""

import pytest
import yaml

from espnet_plugin.errors import UserError
from espnet_plugin.jobs.shaped import shape_options
from espnet_plugin.shape import Shape


@pytest.fixture
def options(tiny_asr_model, tmp_path):
    """Ask for a shape; the tiny reference has 3 layers and 2 heads, and is 16 wide."""

    def ask(text, *more, init="auto", encoder_conf=None, **encrl):
        config = yaml.safe_load(tiny_asr_model.config.read_text())
        config["encoder_conf"].update(encoder_conf or {})
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
        (tmp_path / "encrl.yaml").write_text(yaml.safe_dump(encrl))
        given = ["--reference_config", str(tmp_path / "config.yaml"), *more]
        shape, config_file = Shape.parse(text), tmp_path / "encrl.yaml"
        made = shape_options(shape, config_file, given, init)
        assert made[-len(given) :] == given
        return dict(zip(made[0:6:2], made[1:6:2]))

    return ask


def test_layers_width_and_start(options):
    assert options("2x8") == {
        "--student_num_layers": "2",
        "--student_output_size": "8",
        "--student_init": "first",
    }
    assert options("2x8", init="spaced")["--student_init"] == "spaced"


@pytest.mark.parametrize(
    "text, change",
    [
        ("4x8", {}),  # more layers than the reference's three
        ("2x24", {}),  # wider
        ("2x8", {"encoder_conf": {"rel_pos_type": "legacy"}}),
        ("2x8", {"encoder_conf": {"input_layer": "linear"}}),
        ("2x8", {"student_encoder": "transformer"}),
    ],
)
def test_what_cannot_be_cut_starts_at_random(options, text, change):
    assert options(text, **change)["--student_init"] == "random"


@pytest.mark.parametrize(
    "text, more, message",
    [
        ("2x9", [], "2x9: width 9 must be even and a multiple of the 2"),
        ("2x16", [], "--sizes 2x16: 16 is already the width of the models: write 2"),
        ("2x8", ["--student_output_size", "8"], "2x8 and --student_output_size"),
        ("2x8", ["--student_init=last"], "and --student_init: .*--shape_init"),
    ],
)
def test_contradictions_are_refused(options, text, more, message):
    with pytest.raises(UserError, match=message):
        options(text, *more)


def test_a_reference_is_needed(tmp_path):
    with pytest.raises(UserError, match="--reference is needed"):
        shape_options(Shape(2, 8), tmp_path / "none.yaml", [])
