"""Options of EncRL as typed values that do not change."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Mapping, Optional

import torch

from espnet_plugin.errors import UserError

__all__ = ["DTYPES", "ReferenceOptions", "StudentOptions"]

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class ReferenceOptions:
    """The reference, from which the student learns.

    Attributes:
        config: Its ``config.yaml``.
        model_file: Its checkpoint.
        dtype: Precision of matrix products in its encoder, a key of ``DTYPES``.
    """

    config: Path
    model_file: Path
    dtype: str = "float32"


@dataclass(frozen=True)
class StudentOptions:
    """How a student differs from its reference; see the options of the EncRL task.

    Attributes:
        num_layers: Number of encoder layers; ignored if ``layers`` is given.
        init: Layers of the reference that are copied: ``random`` (none), ``first``,
            ``last`` or ``spaced``.
        layers: Numbers of these layers, counted from 0, instead of ``init``.
        exits: Layers whose outputs are trained to match the reference as well.
        encoder: Name of the encoder; None: the reference's.
        encoder_conf: Options of the encoder that differ from the reference's.
        frontend: Name of the front end; None: the reference's.
        frontend_conf: Options of this front end.
        output_size: Width of the encoder; None: the reference's.
        linear_units: Feed-forward width; None: in proportion to the encoder's width.
        dtype: Precision of matrix products in the encoder, a key of ``DTYPES``.
        specaug: Name of the SpecAugment; None: the reference's.
        specaug_conf: Options of this SpecAugment.
        model_conf: ``objectives``, ``ctc_loss_weight``, ``exit_weights``,
            ``consistency``, ``self_distillation`` and ``fading`` of the configuration.

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
        """Whether layers of the reference are copied."""
        return bool(self.layers) or self.init != "random"

    @property
    def copies_asked(self) -> str:
        """The option that chooses the copied layers, with its value."""
        if self.layers:
            return f"--student_layers {list(self.layers)}"
        return f"--student_init {self.init}"
