"""A plain ESPnet model of some layers of an EncRL checkpoint."""

from espnet_plugin.checkpoints.plain import (
    plain_config,
    plain_state,
    write_model_files,
)


def write_plain_model(config, checkpoint, layers, path):
    """Write ``layers`` of a checkpoint to ``path``, ``config.yaml`` beside it."""
    state = plain_state(checkpoint, layers)
    write_model_files(plain_config(config, layers), state, path)
    return path
