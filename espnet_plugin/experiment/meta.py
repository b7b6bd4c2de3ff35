"""``meta.json``: description of a finished training or model."""

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Mapping, Optional

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.records import OTHERS, record_from_json

__all__ = ["ENCRL_METHOD", "Meta", "REFERENCE_METHOD"]

REFERENCE_METHOD = "reference"
ENCRL_METHOD = "encrl_pretrain"
# Keys that are written even if null, because the tables expect them.
_ALWAYS = ("variant",)
_MODEL_ALWAYS = ("shared",)
_MODE_ALWAYS = ("sparsity", "latency_ms", "latency_parts")


@dataclass(frozen=True)
class Meta:
    """Content of ``meta.json``; None or empty for keys that are not in the file.

    Attributes:
        method: Name of the method in the tables.
        variant: Name of the variant of the method; empty for the main one.
        seed: Seed of the training.
        name: Name of a training that produces several models, if it is not that of the
            folder.
        size: Nominal number of layers of a model that keeps all layers: that of a model
            with as many parameters.
        size_width: Width of the encoder if it is part of the size, as in 4x72; None for
            the reference's width.
        serves: Numbers of layers of the models that are made from this training. A
            folder with this key is a training, not a model.
        modes: Modes of the recognisers that a dual-mode training produces.
        shared: Folder name of the training that the model was made from.
        after: Folder name of the training from which this one started.
        kept_layers: Layers of the larger model that this one consists of, from 0.
        encrl_sha256: Checksum of the checkpoint from which the training started.
        reference_sha256: Checksum of the reference's checkpoint.
        target_params: Number of parameters that pruning had to reach.
        linear_units: Feed-forward units of a narrowed model.
        mode: Mode of a recogniser from a dual-mode training.
        sparsity: Share of its weights that are zero.
        latency_ms: Latency of the recogniser in milliseconds.
        latency_parts: Parts of the latency by name, in milliseconds.
        blocks_file_bytes: Size of its file without masked blocks, in bytes.
        layers: Number of encoder layers.
        width: Width of the encoder.
        params: Number of parameters.
        params_nonzero: Number of parameters that are not zero.
        source: Where an imported reference came from.
        source_sha256: Checksum of the files from which it was imported.
        checkpoint: Name of the model's checkpoint.
        audio_scale: Factor between the samples that it was trained on and samples in
            [-1, 1], if the configuration does not define it.
        init_param: ESPnet's option to start from a pre-training, by kind of start.
        others: Keys that this version does not know.
    """

    method: Optional[str] = None
    variant: str = ""
    seed: Optional[int] = None
    name: Optional[str] = None
    size: Optional[int] = None
    size_width: Optional[int] = None
    serves: tuple[int, ...] = ()
    modes: tuple[str, ...] = ()
    shared: Optional[str] = None
    after: Optional[str] = None
    kept_layers: tuple[int, ...] = ()
    encrl_sha256: Optional[str] = None
    reference_sha256: Optional[str] = None
    target_params: Optional[int] = None
    linear_units: Optional[int] = None
    mode: Optional[str] = None
    sparsity: Optional[float] = None
    latency_ms: Optional[float] = None
    latency_parts: Optional[dict[str, float]] = None
    blocks_file_bytes: Optional[int] = None
    layers: Optional[int] = None
    width: Optional[int] = None
    params: Optional[int] = None
    params_nonzero: Optional[int] = None
    source: Optional[str] = None
    source_sha256: Optional[str] = None
    checkpoint: Optional[str] = None
    audio_scale: Optional[float] = None
    init_param: Optional[dict[str, Any]] = None
    others: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, content: dict[str, Any], path: Path) -> "Meta":
        """Read the content of a ``meta.json`` of this or an earlier version.

        Raises:
            UserError: If a value has the wrong type.
        """
        return record_from_json(cls, content, path)

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``meta.json``."""
        always = list(_ALWAYS)
        if not self.serves:
            always += _MODEL_ALWAYS
        if self.mode is not None:
            always += _MODE_ALWAYS
        content: dict[str, Any] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name == OTHERS:
                continue
            if item.name in always or value not in (None, ()):
                content[item.name] = list(value) if isinstance(value, tuple) else value
        return {**content, **self.others}

    @property
    def serves_models(self) -> bool:
        """Whether this is a training from which models are made, not a model."""
        return bool(self.serves) or self.method == ENCRL_METHOD

    def require(self, path: Path, *names: str) -> "Meta":
        """Return this object after checking that some fields are known.

        Raises:
            UserError: If one of the fields is None.
        """
        lacking = [name for name in names if getattr(self, name) is None]
        if lacking:
            raise UserError(
                f"{path} lacks {', '.join(lacking)}: train the model again, or add "
                "these keys by hand"
            )
        return self

    def but(self, **changes: Any) -> "Meta":
        """Return a copy with some values changed."""
        return replace(self, **changes)
