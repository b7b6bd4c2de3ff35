"""Shapes of small models, as options write them."""

import pytest

from espnet_plugin.errors import UserError
from espnet_plugin.shape import Heads, Shape, check_shapes, largest_first

HEADS = Heads(width=96, number=4)


@pytest.mark.parametrize(
    "text, layers, width", [("6", 6, None), ("4x72", 4, 72), ("12x8", 12, 8)]
)
def test_read_and_written(text, layers, width):
    shape = Shape.parse(text)
    assert (shape.layers, shape.width) == (layers, width)
    assert str(shape) == text and Shape.parse(str(shape)) == shape
    # Plain layers stay the numbers that results.json has always had.
    assert shape.to_json() == (layers if width is None else text)


@pytest.mark.parametrize(
    "text", ["", "0", "x72", "4x", "4x0", "4X72", "4x72x2", "-4", "4 x 72", "four"]
)
def test_anything_else_is_refused(text):
    with pytest.raises(UserError, match="layers x width, e.g. 4 or 4x72"):
        Shape.parse(text)


def test_the_references_width_is_none():
    given = [Shape(6), Shape(4, 96), Shape(4, 72)]
    assert check_shapes(given, HEADS) == (Shape(6), Shape(4), Shape(4, 72))


@pytest.mark.parametrize(
    "sizes, heads, message",
    [
        ("4x70", HEADS, "--sizes 4x70: width 70 .* the 4 attention heads, e.g. 4x68"),
        ("4x2", HEADS, "e.g. 4x4"),
        ("4x75", Heads(96, 3), "must be even .* e.g. 4x72"),
        ("4 6 4", HEADS, "4 is given twice"),
        ("4x72 4x72", HEADS, "4x72 is given twice"),
        ("6 6x96", HEADS, "6 is given twice .*without a width are 96 wide"),
    ],
)
def test_what_cannot_be_is_refused(sizes, heads, message):
    with pytest.raises(UserError, match=message):
        check_shapes(map(Shape.parse, sizes.split()), heads)


def test_width_and_heads_of_configurations():
    reference = {"encoder_conf": {"output_size": 144, "attention_heads": 6}}
    assert Heads.of(reference) == Heads(144, 6)
    assert Heads.of({}) == Heads(256, 4)  # ESPnet's defaults
    # Whisper's encoder has no such options, the student's configuration does.
    encrl = {"student_encoder_conf": {"attention_heads": 2}, "student_output_size": 96}
    whisper = {"encoder_conf": {"whisper_model": "tiny"}}
    assert Heads.of(whisper, encrl) == Heads(96, 2)


def test_order():
    sizes = "2x8 4x8 4 12x8 4x16 2".split()
    ordered = largest_first(map(Shape.parse, sizes))
    assert " ".join(map(str, ordered)) == "12x8 4 4x16 4x8 2 2x8"
    assert Shape(1).in_words == "1 layer" and Shape(1, 8).in_words == "1x8 layers"
