"""The number of encoder layers of a model, from its configuration."""

from typing import Any, Mapping

from espnet_plugin.checkpoints.whisper_models import whisper_layers

__all__ = ["encoder_depth"]


def encoder_depth(config: Mapping[str, Any]) -> int:
    """Return the number of encoder layers (of Whisper: blocks); 0 if it is not known.

    Args:
        config: Configuration of an ESPnet ASR model.
    """
    conf = config.get("encoder_conf") or {}
    layers = conf.get("num_blocks", conf.get("num_layers"))
    if layers is None and config.get("encoder") == "whisper":
        # ESPnet's default; the configuration only has what was given.
        layers = whisper_layers(conf.get("whisper_model", "small"))
    # True would be an integer.
    return layers if isinstance(layers, int) and layers is not True else 0
