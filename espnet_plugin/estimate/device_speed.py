"""The operations per second of a device: given, measured, or assumed."""

import math
from pathlib import Path
from typing import Any, Callable, NamedTuple, Optional

from espnet_plugin.errors import UserError
from espnet_plugin.files import read_json

__all__ = ["A100_FLOPS", "DeviceSpeed", "find_speed"]

# Derived from ESPnet's librispeech recipe, conf/tuning/train_asr_e_branchformer.yaml:
# "Trained with A100 (40 GB) x 8 GPUs. It takes 40 minutes per epoch." With the
# operations counted for that model, this is the speed of one GPU (docs/scaling.md).
A100_FLOPS = 1.4e13


class DeviceSpeed(NamedTuple):
    """The speed of a device in training.

    Attributes:
        flops_per_second: Operations per second.
        source: Description of the source of this figure.
    """

    flops_per_second: float
    source: str


def find_speed(
    given: Optional[float],
    cost_file: Optional[Path],
    gpu: bool,
    measure: Callable[[], float],
) -> DeviceSpeed:
    """Return the speed of a device.

    Args:
        given: Operations per second, if given by the user.
        cost_file: ``cost.json`` of a finished training whose speed is used, if any.
        gpu: Whether the device is a GPU. If so, and nothing is given, an A100 is
        assumed.
        measure: Function that measures the CPU; used if nothing else is known.

    Raises:
        UserError: If the file lacks the operations or the seconds of a training.
    """
    if given is not None:
        return DeviceSpeed(given, "--flops_per_second")
    if cost_file is not None:
        return DeviceSpeed(_speed_of(cost_file), f"{cost_file}")
    if gpu:
        return DeviceSpeed(
            A100_FLOPS, "assumed: an A100, see docs/scaling.md; --flops_per_second"
        )
    source = "measured now on this machine's CPU, as busy as it is; --flops_per_second"
    return DeviceSpeed(measure(), source)


def _speed_of(cost_file: Path) -> float:
    content = read_json(cost_file)
    cost = content if isinstance(content, dict) else {}
    flops, seconds, teacher = (
        cost.get(name) for name in ("flops", "train_seconds", "teacher_flops")
    )
    for name, value in (("flops", flops), ("train_seconds", seconds)):
        if not _is_number(value) or value <= 0:
            raise UserError(
                f"--speed_from {cost_file}: {name} {value!r}: must be above 0; name "
                "the cost.json of a finished training"
            )
    return (flops + (teacher if _is_number(teacher) else 0)) / seconds


def _is_number(value: Any) -> bool:
    is_real = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_real and math.isfinite(value)
