"""Read learning curves from the ``train.log`` of ESPnet's trainer."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Union

from espnet_plugin.experiment.folder import Experiment

__all__ = ["Epoch", "read_train_log"]

_RESULTS = re.compile(r"\b(\d+)epoch results: (.*)")
# "[train] a=1, b=2, time=4 minutes and 5.1 seconds, total_count=7, [valid] ..."
_SECTION = re.compile(r"\[(\w+)\] (.*?)(?=, \[\w+\] |$)")
_FIGURE = re.compile(r"(?:^|, )(\w+)=([-+.\w]+)")
_TIME = re.compile(r"(?:^|, )time=(.*?)(?=, \w+=|$)")
_PART_OF_TIME = re.compile(r"([\d.]+) (second|minute|hour|day|week)s?")
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}


@dataclass(frozen=True)
class Epoch:
    """Values of one "epoch results" line; None if missing or NaN.

    Attributes:
        number: Number of the epoch, from 1.
        dev_loss: Loss on the development set: the CTC loss, or the whole loss of models
            with an attention decoder (or without CTC). For other models the whole loss
            may include terms that differ between methods (intermediate layers, a
            teacher).
        dev_cer: Character error rate on the development set in percent, of the CTC
            output or, without CTC, of the attention decoder.
        train_seconds: Wall-clock time of the training steps in seconds.
    """

    number: int
    dev_loss: Optional[float]
    dev_cer: Optional[float]
    train_seconds: Optional[float]


def read_train_log(
    folder: Union[str, Path], output: Optional[str] = None
) -> list[Epoch]:
    """Read the epochs of a training, which may be interrupted or still running.

    ESPnet renames the log of an earlier start to ``train.1.log``, and that to
    ``train.2.log``. They are read too; if an epoch ran twice, the later run counts.

    Args:
        folder: An experiment folder.
        output: Name of one of several CTC outputs in the log, after ``cer_ctc_`` or
            ``cer_interctc_``: ``layer4``, ``streaming``; None: the model's main output.

        Returns:
            The epochs by number; empty if there is no log or no epoch has ended.
    """
    epochs: dict[int, Epoch] = {}
    for path in Experiment(folder).train_logs():
        with open(path, encoding="utf-8", errors="replace") as stream:
            for line in stream:
                match = _RESULTS.search(line)
                if match:
                    epochs[int(match[1])] = _epoch(int(match[1]), match[2], output)
    return [epochs[number] for number in sorted(epochs)]


def _epoch(number: int, text: str, output: Optional[str]) -> Epoch:
    sections = dict(_SECTION.findall(text.strip()))
    valid = dict(_FIGURE.findall(sections.get("valid", "")))
    cer, loss = _figures(valid, output)
    time = _TIME.search(sections.get("train", ""))
    return Epoch(
        number,
        loss,
        None if cer is None else 100.0 * cer,
        _seconds(time[1]) if time else None,
    )


def _figures(
    valid: dict[str, str], output: Optional[str]
) -> tuple[Optional[float], Optional[float]]:
    """Return error rate (not in percent) and loss of one output."""
    if output is None:
        losses = ("loss_ctc", "loss")
        if _number(valid.get("loss_att")) is not None:
            losses = ("loss",)
        rates = ("cer_ctc", "cer")
    else:
        rates = (f"cer_ctc_{output}", f"cer_interctc_{output}")
        losses = (f"loss_ctc_{output}", f"loss_interctc_{output}")
    return tuple(
        next((n for n in map(_number, map(valid.get, names)) if n is not None), None)
        for names in (rates, losses)
    )


def _number(text: Optional[str]) -> Optional[float]:
    try:
        value = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _seconds(text: str) -> Optional[float]:
    parts = _PART_OF_TIME.findall(text)
    return sum(float(n) * _SECONDS[unit] for n, unit in parts) if parts else None
