"""The reference of baselines, as a plain CTC model."""

import logging
from functools import cached_property
from pathlib import Path
from typing import Any, Iterable, Optional

import torch

from espnet_plugin.checkpoints.config_files import resolve_paths
from espnet_plugin.checkpoints.layers import keep_layers
from espnet_plugin.checkpoints.load import build_asr_model, load_asr_model
from espnet_plugin.checkpoints.plain import plain_config
from espnet_plugin.checkpoints.width import with_width
from espnet_plugin.data.front_end import takes_features
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.config import read_config
from espnet_plugin.files import file_checksum
from espnet_plugin.shape import Heads, Shape, check_shapes

__all__ = ["Reference", "ctc_config"]


def ctc_config(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration with CTC as the only loss.

    Intermediate losses are removed: they name layers that a smaller model may not have,
    and the models of EncRL are trained without them as well.

    Args:
        config: Configuration of a CTC or hybrid model; it is not changed.
    """
    model_conf = {**config["model_conf"], "ctc_weight": 1.0}
    model_conf.pop("interctc_weight", None)
    encoder_conf = dict(config["encoder_conf"])
    for option in ("interctc_layer_idx", "interctc_use_conditioning"):
        encoder_conf.pop(option, None)
    return {
        **config,
        "model_conf": model_conf,
        "encoder_conf": encoder_conf,
        "decoder": None,
        "decoder_conf": {},
    }


class Reference:
    """A trained model whose checkpoint is read only when it is needed.

    Args:
        config_file: Its ``config.yaml``.
        checkpoint: Its checkpoint; None if only the architecture is needed.

    Raises:
        UserError: If its encoder has no ``num_blocks``.
    """

    def __init__(self, config_file: Path, checkpoint: Optional[Path] = None):
        self.config_file = Path(config_file)
        self.checkpoint = None if checkpoint is None else Path(checkpoint)
        raw = resolve_paths(read_config(self.config_file), self.config_file)
        self._config = ctc_config(raw)
        if raw["encoder_conf"].get("interctc_use_conditioning"):
            logging.warning(
                "%s: encoder_conf.interctc_use_conditioning: in this reference, "
                "layers also get their own intermediate predictions. Models made "
                "from it here do not (the conditioning is left out), so at the start "
                "they differ more from the reference than usual",
                self.config_file,
            )
        if "num_blocks" not in self._config["encoder_conf"]:
            raise UserError(
                f"{config_file}: encoder {raw['encoder']} has no num_blocks: use a "
                "reference with conformer, transformer, branchformer or "
                "e_branchformer"
            )

    @property
    def num_layers(self) -> int:
        """Number of encoder layers."""
        return self._config["encoder_conf"]["num_blocks"]

    @property
    def takes_features(self) -> bool:
        """Whether its input is features, because it has no front end."""
        return takes_features(self._config)

    def config(
        self, num_layers: Optional[int] = None, width: Optional[int] = None
    ) -> dict[str, Any]:
        """Return the configuration of a plain model.

        Args:
            num_layers: Number of encoder layers; None: all.
            width: Width of the encoder; None: the reference's. Feed-forward units are
                scaled in proportion.
        """
        config = plain_config(self._config, num_layers or self.num_layers)
        if width is not None:
            conf = with_width(config["encoder"], config["encoder_conf"], width)
            config["encoder_conf"] = conf
        return config

    def check_shapes(self, shapes: Iterable[Shape]) -> tuple[Shape, ...]:
        """Return the shapes; a width that equals the reference's is removed.

        Raises:
            UserError: If a width does not fit the attention heads, or a shape is given
                twice.
        """
        return check_shapes(shapes, Heads.of(self._config))

    @cached_property
    def sha256(self) -> Optional[str]:
        """Digest of the checkpoint; None without one."""
        if self.checkpoint is None:
            return None
        return file_checksum(self._existing())

    @cached_property
    def state(self) -> dict[str, torch.Tensor]:
        """Tensors of the plain model by name, without those of a decoder."""
        model, _ = load_asr_model(self.config_file, self._existing())
        whole = model.state_dict()
        plain, _ = build_asr_model(self.config(), self.config_file)
        return {name: whole[name].clone() for name in plain.state_dict()}

    def params(self, num_layers: int) -> int:
        """Return the number of parameters of the plain model with some layers.

        Args:
            num_layers: Number of encoder layers.

        Raises:
            UserError: If the reference has fewer layers.
        """
        if not 1 <= num_layers <= self.num_layers:
            raise UserError(
                f"{num_layers} layers cannot be compared with a reference of "
                f"{self.num_layers}: choose 1 to {self.num_layers}"
            )
        model, _ = build_asr_model(self.config(num_layers), self.config_file)
        return sum(p.numel() for p in model.parameters())

    def layers_state(self, layers: list[int]) -> dict[str, torch.Tensor]:
        """Return the tensors of the plain model with these layers, counted from 0."""
        return keep_layers(self.state, layers)

    def _existing(self) -> Path:
        if self.checkpoint is None:
            raise UserError(
                "this baseline starts from the reference: give --reference with "
                "a finished model (run stage 4 first)"
            )
        if not self.checkpoint.is_file():
            raise UserError(f"{self.checkpoint} is missing: run stage 4 first")
        return self.checkpoint
