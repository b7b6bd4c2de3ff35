"""How many operations a second a device reaches: given, from a training, or assumed."""

from pathlib import Path
from typing import Callable, NamedTuple, Optional

from espnet_plugin.files import read_json

__all__ = ["A100_FLOPS", "DeviceSpeed", "find_speed"]

# ESPnet says of its librispeech recipe's conf/tuning/train_asr_e_branchformer.yaml:
# "Trained with A100 (40 GB) x 8 GPUs. It takes 40 minutes per epoch." With the
# operations counted for it, that is so many a second and GPU (docs/scaling.md).
A100_FLOPS = 1.4e13


class DeviceSpeed(NamedTuple):
    """What a device reaches in training.

    Attributes:
        flops_per_second: Operations per second.
        source: Where that is from, in words.
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
        given: Operations per second, if they were given.
        cost_file: ``cost.json`` of a finished training, if its speed counts.
        gpu: Whether a GPU is meant, whose speed is assumed otherwise.
        measure: Measures the CPU, otherwise.
    """
    if given is not None:
        return DeviceSpeed(given, "--flops_per_second")
    if cost_file is not None:
        cost = read_json(cost_file)
        flops = cost["flops"] + cost.get("teacher_flops", 0)
        return DeviceSpeed(flops / cost["train_seconds"], f"{cost_file}")
    if gpu:
        return DeviceSpeed(
            A100_FLOPS, "assumed: an A100, see docs/scaling.md; --flops_per_second"
        )
    source = "measured now on this machine's CPU, as busy as it is; --flops_per_second"
    return DeviceSpeed(measure(), source)
