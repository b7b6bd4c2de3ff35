"""``meta.json``: what a finished training, or a model made of one, is."""

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Mapping, Optional

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.records import OTHERS, record_from_json

__all__ = ["ENCRL_METHOD", "Meta", "REFERENCE_METHOD"]

REFERENCE_METHOD = "reference"
ENCRL_METHOD = "encrl_pretrain"
# Written even if null, because readers of the tables look for the keys themselves.
_ALWAYS = ("variant",)
_MODEL_ALWAYS = ("shared",)
_MODE_ALWAYS = ("sparsity", "latency_ms", "latency_parts")


@dataclass(frozen=True)
class Meta:
    """The content of ``meta.json``; None and empty where the file does not say it.

    Attributes:
        method: How it was made, as the tables name it.
        variant: Name of the variant of the method; empty for the main one.
        seed: Seed of the training.
        name: Name of a training that serves several models, if not its folder's.
        size: Layers of a model with as many parameters, if this one keeps all layers.
        size_width: Width of the encoder where the size names it, as in 4x72; None: the
            reference's.
        serves: Numbers of layers that models made of this training have; a folder with
            this is a training, not a model.
        modes: Modes of the recognisers that a dual-mode training serves.
        shared: Folder name of the training that the model was made of.
        after: Folder name of the training that this one started from.
        kept_layers: Layers of the larger model that this one consists of, from 0.
        encrl_sha256: Digest of the checkpoint that the training started from.
        reference_sha256: Digest of the reference's checkpoint.
        target_params: Parameters that a pruner had to leave.
        linear_units: Feed-forward units of a narrowed model.
        mode: Mode of a recogniser from a dual-mode training.
        sparsity: Share of its weights that are zero.
        latency_ms: Latency of the recogniser, in milliseconds.
        latency_parts: What the latency consists of, in milliseconds.
        blocks_file_bytes: Size of its file without masked blocks.
        layers: Encoder layers.
        width: Width of the encoder.
        params: Parameters.
        params_nonzero: Parameters that are not zero.
        source: Where an imported reference came from.
        source_sha256: Digest of the files it was imported from.
        checkpoint: Name of the checkpoint that is the model.
        audio_scale: How many times as large as in [-1, 1] the samples were that it was
            trained on, where its configuration does not name them.
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
        """Read the content of a ``meta.json``, also of an earlier version.

        Raises:
            UserError: If a value has the wrong type; it names file, key and value.
        """
        return record_from_json(cls, content, path)

    def to_json(self) -> dict[str, Any]:
        """Return what is written into ``meta.json``."""
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
        """Whether this is a training that models are made of, and no model itself."""
        return bool(self.serves) or self.method == ENCRL_METHOD

    def require(self, path: Path, *names: str) -> "Meta":
        """Return itself if these fields are known.

        Raises:
            UserError: Naming the file and those that are not.
        """
        lacking = [name for name in names if getattr(self, name) is None]
        if lacking:
            raise UserError(
                f"{path} lacks {', '.join(lacking)}: train the model again, or add "
                "these keys by hand"
            )
        return self

    def but(self, **changes: Any) -> "Meta":
        """Return a copy with other values."""
        return replace(self, **changes)
