"""The operations per second of a device: given, measured, or assumed."""

from pathlib import Path
from typing import Callable, NamedTuple, Optional

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
