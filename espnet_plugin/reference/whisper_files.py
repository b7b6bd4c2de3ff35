"""Read the encoder of a Whisper model from a file, and determine its size."""

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

import torch

from espnet_plugin.checkpoints.whisper_models import whisper_name
from espnet_plugin.errors import UserError

__all__ = ["WhisperEncoderFile", "read_whisper_encoder"]

_DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
_LONGEST_HEADER = 10**8  # the limit in the safetensors library
# Prefix of the encoder's parameters in openai-whisper.
_PREFIX = "encoder."


@dataclass(frozen=True)
class WhisperEncoderFile:
    """The encoder read from a file.

    Attributes:
        name: Name of the Whisper model of this size, e.g. ``tiny``.
        state: Its tensors in single precision, with the names of
            ``whisper.model.AudioEncoder``.
    """

    name: str
    state: Mapping[str, torch.Tensor]


def read_whisper_encoder(path: Path) -> WhisperEncoderFile:
    """Read an encoder from Whisper's own ``.pt`` file, or from ``.safetensors``.

    Args:
        path: A file downloaded by ``whisper.load_model`` (the decoder is ignored), or a
            safetensors file with the tensors of ``whisper.model.AudioEncoder``, with or
            without the prefix ``encoder.``.

    Raises:
        UserError: If it cannot be read, or has no encoder of a Whisper model.
    """
    if not path.is_file():
        raise UserError(
            f"--weights {path} is missing: give OpenAI Whisper's file, which "
            "whisper.load_model stores in ~/.cache/whisper, e.g. tiny.en.pt"
        )
    if path.suffix == ".safetensors":
        state = _read_safetensors(path)
    else:
        state = _read_whisper(path)
    _check_values(state, path)
    if any(key.startswith(_PREFIX) for key in state):
        state = {k: v for k, v in state.items() if k.startswith(_PREFIX)}
    state = {key.removeprefix(_PREFIX): value.float() for key, value in state.items()}
    return WhisperEncoderFile(_name(state, path), state)


def _read_whisper(path: Path) -> dict[str, torch.Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        return dict(content["model_state_dict"])
    except Exception as error:  # torch raises many kinds for a broken file
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(
            f"--weights {path} cannot be read as a file of openai-whisper "
            f"({first_line}); give the .pt file that whisper.load_model stores, or a "
            ".safetensors of the encoder"
        ) from error


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    """Read a safetensors file: length of the header, JSON header, bytes of tensors."""
    try:
        with path.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > _LONGEST_HEADER:
                raise ValueError(
                    f"its header would have {length} bytes, which is too much"
                )
            header: dict[str, Any] = json.loads(stream.read(length))
            data = bytearray(stream.read())
        if not isinstance(header, dict):
            raise ValueError("its header holds no keys")
        header.pop("__metadata__", None)
        return {name: _tensor(entry, data) for name, entry in header.items()}
    except (
        *(OSError, ValueError, KeyError, TypeError, RuntimeError),
        struct.error,
    ) as error:
        raise UserError(
            f"--weights {path} cannot be read as safetensors ({error}): copy it again"
        ) from error


def _tensor(entry: Mapping[str, Any], data: bytearray) -> torch.Tensor:
    dtype, shape = _DTYPES[entry["dtype"]], entry["shape"]
    start, end = entry["data_offsets"]
    count = math.prod(shape)
    if not 0 <= start <= end <= len(data) or end - start != count * dtype.itemsize:
        raise ValueError("the file is truncated")
    return torch.frombuffer(data, dtype=dtype, count=count, offset=start).view(shape)


def _check_values(state: Mapping[str, Any], path: Path) -> None:
    for key, value in state.items():
        if not isinstance(value, torch.Tensor):
            raise UserError(
                f"--weights {path}: {key} is no tensor: give Whisper's own file, e.g. "
                "tiny.en.pt"
            )
        if not torch.isfinite(value).all():
            raise UserError(
                f"--weights {path}: {key} has values that are not finite: copy or "
                "download the file again"
            )


def _name(state: Mapping[str, torch.Tensor], path: Path) -> str:
    convolution = state.get("conv1.weight")
    layers = {key.split(".")[1] for key in state if key.startswith("blocks.")}
    if convolution is None or convolution.dim() != 3 or not layers:
        raise UserError(
            f"--weights {path} contains no encoder of Whisper (conv1.weight, "
            "blocks.0...); give Whisper's own file, e.g. tiny.en.pt"
        )
    width, mel_bins, _ = convolution.shape
    return whisper_name(width, len(layers), mel_bins, f"--weights {path}")
