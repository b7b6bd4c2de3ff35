"""Checks of the sizes that a model's files declare against their content.

A few bytes can declare terabytes: compressed zeros, a sparse tensor of an enormous
shape, a configuration with a billion layers. Readers of such files would allocate this
memory.
"""

import zipfile
from pathlib import Path
from typing import Any, Mapping

import torch

from espnet_plugin.errors import UserError

__all__ = ["SAME_TRAINING", "check_announced", "check_archive", "check_dense"]

# The way out where configuration and checkpoint do not belong together.
SAME_TRAINING = "Give the config.yaml and the checkpoint of the same training"

# Bytes that are always allowed, also for small files.
_ALWAYS = 64 * 2**20
# Largest ratio of dense to stored size, for checkpoints without masked blocks.
_DENSER = 1000
# Values that are always allowed, also for small checkpoints.
_FEW_LAYERS, _SMALL = 1000, 10**5
_CONFS = ("encoder_conf", "decoder_conf", "preencoder_conf", "postencoder_conf")
_LAYERS = ("num_blocks", "num_layers")


def check_archive(path: Path, what: str) -> None:
    """Refuse a zip file whose members are larger unpacked than the file is.

    Neither torch nor ``numpy.savez`` compresses. Other files than zip files are
    accepted.

    Args:
        path: A checkpoint or ``.npz``.
        what: Kind of the file, for messages.

    Raises:
        UserError: If so; it names the file and its largest member.
        OSError: If it cannot be read.
    """
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError):
        return  # who reads it says so
    total = sum(member.file_size for member in members)
    if total > max(_ALWAYS, 2 * path.stat().st_size):
        largest = max(members, key=lambda member: member.file_size)
        raise UserError(
            f"{what} {path} has {path.stat().st_size} bytes, but its index announces "
            f"{total} ({largest.filename}: {largest.file_size}); do not trust this "
            "file"
        )


def check_dense(name: str, tensor: torch.Tensor, path: Path) -> None:
    """Refuse a sparse tensor that would be enormous in dense form.

    Raises:
        UserError: If so; it names the tensor and its shape.
    """
    size = tensor.numel() * tensor.element_size()
    if size > max(_ALWAYS, _DENSER * path.stat().st_size):
        raise UserError(
            f"checkpoint {path}: {name} is a sparse tensor of shape "
            f"{tuple(tensor.shape)}, which would need {size} bytes when filled with "
            "zeros; do not trust this file"
        )


def check_announced(
    config: Mapping[str, Any], state: Mapping[str, torch.Tensor], config_file: Path
) -> None:
    """Refuse a configuration of a model far larger than its checkpoint.

    Args:
        config: The configuration.
        state: The tensors of the checkpoint.
        config_file: File of the configuration, for messages.

    Raises:
        UserError: If so; it names the setting.
    """
    layers = max(_FEW_LAYERS, len(state))
    values = max(_SMALL, sum(tensor.numel() for tensor in state.values()))
    for conf in _CONFS:
        settings = config.get(conf)
        if not isinstance(settings, Mapping):
            continue
        numbers = {
            key: value for key, value in settings.items() if isinstance(value, int)
        }
        for key, value in numbers.items():
            if value > (layers if key in _LAYERS else values):
                raise UserError(
                    f"{config_file}: {conf}.{key}: {value} belongs to a far larger "
                    f"model than the checkpoint, which has {len(state)} tensors with "
                    f"{sum(t.numel() for t in state.values())} values. "
                    f"{SAME_TRAINING}"
                )
        # A layer has a matrix of these.
        matrix = numbers.get("output_size", 0) * numbers.get("linear_units", 0)
        if matrix > max(values, _SMALL**2 // 100):
            raise UserError(
                f"{config_file}: {conf}: a layer of {matrix} weights (output_size x "
                f"linear_units) is larger than the whole checkpoint. {SAME_TRAINING}"
            )
