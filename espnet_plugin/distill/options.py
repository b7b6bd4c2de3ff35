"""What EncRL is asked to do, as values: read once, changed nowhere."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Mapping, Optional

import torch

from espnet_plugin.errors import UserError

__all__ = ["DTYPES", "ReferenceOptions", "StudentOptions"]

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class ReferenceOptions:
    """The model to learn from.

    Attributes:
        config: Its ``config.yaml``.
        model_file: Its checkpoint.
        dtype: Precision of the products in its encoder, a name of ``DTYPES``.
    """

    config: Path
    model_file: Path
    dtype: str = "float32"


@dataclass(frozen=True)
class StudentOptions:
    """How a student differs from its reference; see the options of the EncRL task.

    Attributes:
        num_layers: Encoder layers, unless ``layers`` names them.
        init: Which of the reference's layers to copy: ``random`` (none), ``first``,
            ``last`` or ``spaced``.
        layers: Copy exactly these layers of the reference, counted from 0.
        exits: Layers after which the student matches the reference as well.
        encoder: Another encoder than the reference's.
        encoder_conf: What differs from the options of the reference's encoder.
        frontend: A front end of the student's own.
        frontend_conf: Options of that front end.
        output_size: Width of the encoder; the reference's if None.
        linear_units: Feed-forward width; in the reference's proportion if None.
        dtype: Precision of the products in its encoder, a name of ``DTYPES``.
        specaug: SpecAugment of the student's own; the reference's if None.
        specaug_conf: Options of that SpecAugment.
        model_conf: ``objectives`` and ``ctc_loss_weight``, as they are configured.

    Raises:
        UserError: If the front end has options but no name.
    """

    num_layers: int
    init: str = "random"
    layers: tuple[int, ...] = ()
    exits: tuple[int, ...] = ()
    encoder: Optional[str] = None
    encoder_conf: Mapping[str, Any] = field(default_factory=dict)
    frontend: Optional[str] = None
    frontend_conf: Mapping[str, Any] = field(default_factory=dict)
    output_size: Optional[int] = None
    linear_units: Optional[int] = None
    dtype: str = "float32"
    specaug: Optional[str] = None
    specaug_conf: Mapping[str, Any] = field(default_factory=dict)
    model_conf: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        if self.frontend_conf and self.frontend is None:
            raise UserError(
                "student_frontend_conf needs --student_frontend: give the name of "
                "the front end as well"
            )

    @property
    def copies(self) -> bool:
        """Whether it starts from layers of the reference."""
        return bool(self.layers) or self.init != "random"

    @property
    def copies_asked(self) -> str:
        """The option that asks for these layers."""
        if self.layers:
            return f"--student_layers {list(self.layers)}"
        return f"--student_init {self.init}"
