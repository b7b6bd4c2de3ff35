"""Whether the layers of a reference can be the start of a supernet."""

from pathlib import Path
from typing import Any, Mapping, Sequence

from espnet_plugin.data.front_end import sampling_rate
from espnet_plugin.distill.students import choose_layers
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.config import read_config

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
# Not win_length: a shorter window changes log-mels little.
_FEATURES = {
    "n_fft": 512,
    "hop_length": 128,
    "n_mels": 80,
    "fmin": None,
    "fmax": None,
    "htk": False,
}
# Options of the supernet's encoder_conf that ESPnet's Conformer does not have, with the
# values that its layers have.
_OURS = {"conv_channels": "output_size", "macaron_units": "linear_units"}
# Options of ESPnet's Conformer with the values that the supernet always has.
_ALWAYS = {
    "use_cnn_module": (True, True),
    "normalize_before": (True, True),
    "concat_after": (False, False),
    "rel_pos_type": ("legacy", "latest"),
    "pos_enc_layer_type": ("rel_pos", "rel_pos"),
    "selfattention_layer_type": ("rel_selfattn", "rel_selfattn"),
    "positionwise_layer_type": ("linear", "linear"),
    "zero_triu": (False, False),
    "ctc_trim": (False, False),
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
    _check_input(reference, training, name)
    for section, shared in (("encoder_conf", _ALIKE), ("frontend_conf", _FEATURES)):
        theirs, ours = reference.get(section) or {}, training.get(section) or {}
        for key, default in shared.items():
            there, here = theirs.get(key, default), _one(ours.get(key, default))
            if there != here:
                raise _different(name, f"{section}.{key}", there, here)
    theirs = reference.get("encoder_conf") or {}
    _check_sizes(theirs, training.get("encoder_conf") or {}, name)
    for key, (default, needed) in _ALWAYS.items():
        there = theirs.get(key, default)
        if there != needed:
            raise UserError(
                f"{name}: encoder_conf.{key} is {there} in the reference, but the "
                f"dual-mode encoder's layers have {needed}: remove reference_layers "
                "from the row, or choose another --reference"
            )


def _one(sizes: Any) -> Any:
    """Return the size of all layers, if a list has the same for each."""
    if isinstance(sizes, (list, tuple)) and sizes and set(sizes) == {sizes[0]}:
        return sizes[0]
    return sizes


def _different(name: str, option: str, there: Any, here: Any) -> UserError:
    return UserError(
        f"{name}: {option} is {there} in the reference and {here} in the training's "
        "configuration, so the reference's layers do not fit: make them equal, or "
        "remove reference_layers from the row"
    )


def _check_input(
    reference: Mapping[str, Any], training: Mapping[str, Any], name: str
) -> None:
    """Check that both encoders get the same kind of features, of the same rate."""
    for option, default in (("frontend", "default"), ("preencoder", None)):
        there, here = (one.get(option, default) for one in (reference, training))
        if there != here:
            raise _different(name, option, there, here)
    there, here = sampling_rate(reference, name), sampling_rate(training, "--config")
    if there != here:
        raise _different(name, "frontend_conf.fs", there, here)


def _check_sizes(theirs: Mapping[str, Any], ours: Mapping[str, Any], name: str) -> None:
    """Check the sizes that only the supernet's layers can have."""
    for key, origin in _OURS.items():
        here, there = _one(ours.get(key)), theirs.get(origin, _ALIKE[origin])
        if here not in (None, there):
            raise _different(name, f"encoder_conf.{key}", there, here)
    width, heads = (
        theirs.get(k, _ALIKE[k]) for k in ("output_size", "attention_heads")
    )
    here, there = ours.get("head_width"), width // heads
    if here not in (None, there):
        raise _different(name, "encoder_conf.head_width", there, here)
    if ours.get("streaming_only"):
        raise UserError(
            "encoder_conf.streaming_only is true in the training's configuration, but "
            "the reference's layers have whole kernels: remove streaming_only, or "
            "reference_layers from the row"
        )
    channels = [n for n in ours.get("front_channels") or () if isinstance(n, int)]
    if channels and max(channels) > width:
        raise UserError(
            f"{name}: encoder_conf.front_channels is {ours['front_channels']} in the "
            f"training's configuration, but the reference has {width} channels: give "
            f"at most {width}, or remove reference_layers from the row"
        )


def _check_conditioning(
    theirs: Mapping[str, Any], layers: Sequence[int], name: str
) -> None:
    """Refuse layers whose input has the posteriors of an earlier layer added."""
    places = theirs.get("interctc_layer_idx") or ()
    if not theirs.get("interctc_use_conditioning") or not places:
        return
    # Counted from 1, so this is also the index of the next layer.
    if max(layers) >= min(places):
        raise UserError(
            f"{name}: encoder_conf.interctc_use_conditioning is true, so the layers "
            f"after layer {min(places)} of the reference need the posteriors of "
            "earlier ones, which the dual-mode encoder does not have: use "
            f"reference_layers first with encoder_conf.num_blocks {min(places)} or "
            "fewer, remove reference_layers from the row, or choose another "
            "--reference"
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
    if isinstance(here, int) and isinstance(there, int) and here > there:
        raise UserError(
            f"{file}: encoder_conf.num_blocks is {there} in the reference and {here} "
            "in the training's configuration, so there are too few layers to start "
            f"from: set it to {there} or fewer, remove reference_layers from the row, "
            "or choose another --reference"
        )
    layers = choose_layers(there, here, how)
    _check_conditioning(config.get("encoder_conf") or {}, layers, str(file))
    return layers
