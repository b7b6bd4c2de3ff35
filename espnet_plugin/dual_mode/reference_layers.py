"""Whether the layers of a reference can be the start of a supernet."""

from pathlib import Path
from typing import Any, Mapping

from espnet_plugin.checkpoints.load import read_config
from espnet_plugin.distill.students import choose_layers
from espnet_plugin.errors import UserError

__all__ = ["check_alike", "check_start"]

# Options of encoder_conf that both encoders must share, with the default of both.
_ALIKE = {
    "output_size": 256,
    "attention_heads": 4,
    "linear_units": 2048,
    "input_layer": "conv2d",
    "macaron_style": False,
    "activation_type": "swish",
    "cnn_module_kernel": 31,
}
_BLOCKS = 6  # of both
# Options of frontend_conf that decide what the first layer sees, with ESPnet's default.
_FEATURES = {"n_fft": 512, "hop_length": 128, "n_mels": 80}
# Options of ESPnet's Conformer with the values that the supernet always has.
_ALWAYS = {
    "use_cnn_module": (True, True),
    "normalize_before": (True, True),
    "concat_after": (False, False),
    "rel_pos_type": ("legacy", "latest"),
    "pos_enc_layer_type": ("rel_pos", "rel_pos"),
    "selfattention_layer_type": ("rel_selfattn", "rel_selfattn"),
    "positionwise_layer_type": ("linear", "linear"),
}


def check_alike(
    reference: Mapping[str, Any], training: Mapping[str, Any], name: str
) -> None:
    """Check that the layers of a reference fit a supernet.

    Args:
        reference: Training configuration of the reference.
        training: Configuration of the dual-mode training.
        name: Path of the reference's configuration, for messages.

    Raises:
        UserError: If an option differs that changes shapes or what a layer computes.
    """
    if reference.get("encoder") != "conformer":
        raise UserError(
            f"{name}: its encoder is {reference.get('encoder')}, but a dual-mode "
            "training can only start from the layers of a conformer: remove "
            "reference_layers from the row, or choose another --reference"
        )
    for section, shared in (("encoder_conf", _ALIKE), ("frontend_conf", _FEATURES)):
        theirs, ours = reference.get(section) or {}, training.get(section) or {}
        for key, default in shared.items():
            there, here = theirs.get(key, default), ours.get(key, default)
            if there != here:
                raise UserError(
                    f"{name}: {section}.{key} is {there} in the reference and {here} "
                    "in the training's configuration, so the reference's layers do "
                    "not fit: make them equal, or remove reference_layers from the row"
                )
    theirs = reference.get("encoder_conf") or {}
    for key, (default, needed) in _ALWAYS.items():
        there = theirs.get(key, default)
        if there != needed:
            raise UserError(
                f"{name}: encoder_conf.{key} is {there} in the reference, but the "
                f"dual-mode encoder's layers have {needed}: remove reference_layers "
                "from the row, or choose another --reference"
            )


def check_start(file: Path, training: Mapping[str, Any], how: str) -> list[int]:
    """Return the reference's layers from which a training starts.

    Args:
        file: ``config.yaml`` of the reference.
        training: Configuration of the dual-mode training.
        how: ``first``, ``last`` or ``spaced``.

    Returns:
        Indices from 0, one for each layer of the supernet.

    Raises:
        UserError: If the layers do not fit.
    """
    config = read_config(file)
    check_alike(config, training, str(file))
    there, here = (
        (one.get("encoder_conf") or {}).get("num_blocks", _BLOCKS)
        for one in (config, training)
    )
    return choose_layers(there, here, how)
