"""The shape of a small model: its encoder layers, and its width if that is its own.

In options and folder names it is written ``4`` (with the reference's width) or
``4x72``.
"""

import argparse
import math
import re
from dataclasses import dataclass
from typing import Any, Iterable, Mapping, Optional, Union

from espnet_plugin.errors import UserError

__all__ = ["Heads", "Shape", "check_shapes", "largest_first", "shape_option"]

_FORM = re.compile(r"([1-9][0-9]{0,2})(?:x([1-9][0-9]{0,4}))?")
_WANTED = "layers, or layers x width, e.g. 4 or 4x72"
# ESPnet's defaults, for configurations that do not set them.
_WIDTH, _HEADS = 256, 4


@dataclass(frozen=True)
class Shape:
    """Layers and width of an encoder.

    Attributes:
        layers: Number of encoder layers; 0 if it is not known.
        width: Width of the encoder (``output_size``); None for the reference's width.
    """

    layers: int
    width: Optional[int] = None

    def __str__(self) -> str:
        layers = str(self.layers or "?")
        return layers if self.width is None else f"{layers}x{self.width}"

    @classmethod
    def parse(cls, text: str) -> "Shape":
        """Parse ``4`` or ``4x72``.

        Raises:
            UserError: If the text has a different form.
        """
        match = _FORM.fullmatch(text)
        if match is None:
            raise UserError(f"{text[:40]!r}: must be {_WANTED}")
        layers, width = match.groups()
        return cls(int(layers), None if width is None else int(width))

    @property
    def in_words(self) -> str:
        """Text for sentences and titles: ``4 layers``, ``4x72 layers``."""
        return "1 layer" if self == Shape(1) else f"{self} layers"

    @property
    def order(self) -> tuple[int, float]:
        """Sort key, largest shape first; the reference's width is the largest."""
        return -self.layers, float("-inf") if self.width is None else -self.width

    def to_json(self) -> Union[int, str]:
        """Return the number of layers, or the text if the shape has a width."""
        return self.layers if self.width is None else str(self)


@dataclass(frozen=True)
class Heads:
    """The attention heads that a width has to be compatible with.

    Attributes:
        width: Width of models whose shape has no width.
        number: Number of attention heads.
    """

    width: int
    number: int

    @classmethod
    def of(
        cls, reference: Mapping[str, Any], encrl: Optional[Mapping[str, Any]] = None
    ) -> "Heads":
        """Read width and heads from configurations.

        Args:
            reference: Configuration of the reference.
            encrl: Configuration of stage 5, which may define a different encoder.
        """
        theirs = reference.get("encoder_conf") or {}
        encrl = encrl or {}
        ours = encrl.get("student_encoder_conf") or {}
        width = encrl.get("student_output_size") or theirs.get("output_size", _WIDTH)
        heads = ours.get("attention_heads", theirs.get("attention_heads", _HEADS))
        return cls(width, heads)


def check_shapes(
    shapes: Iterable[Shape], heads: Heads, option: str = "--sizes"
) -> tuple[Shape, ...]:
    """Check shapes, and remove widths that are equal to the default width.

    Args:
        shapes: The requested shapes.
        heads: Default width and number of attention heads.
        option: Name of the option, for messages.

    Raises:
        UserError: If a width is odd or cannot be divided into the heads, or a shape is
            given twice.
    """
    checked: list[Shape] = []
    for shape in shapes:
        # Even, because position encodings are pairs of a sine and a cosine.
        step = math.lcm(heads.number, 2)
        if shape.width is not None and shape.width % step:
            fitting = max(1, shape.width // step) * step
            raise UserError(
                f"{option} {shape}: width {shape.width} must be even and a multiple of "
                f"the {heads.number} attention heads, e.g. {shape.layers}x{fitting}"
            )
        if shape.width == heads.width:
            shape = Shape(shape.layers)
        if shape in checked:
            raise UserError(
                f"{option}: {shape} is given twice (models without a width are "
                f"{heads.width} wide): remove one of them"
            )
        checked.append(shape)
    return tuple(checked)


def shape_option(text: str) -> Shape:
    """Parse a shape; for ``type=`` in ``argparse``, which adds the option's name."""
    try:
        return Shape.parse(text)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def largest_first(shapes: Iterable[Shape]) -> list[Shape]:
    """Return the shapes, those with most layers first, then the widest first."""
    return sorted(shapes, key=lambda shape: shape.order)
