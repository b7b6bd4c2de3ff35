"""The learning curve of a row, from the trainings that its model went through."""

from pathlib import Path
from typing import Any, Iterable, Mapping, Optional

from espnet_plugin.results.size import row_size
from espnet_plugin.results.train_log import Epoch, read_train_log

__all__ = ["read_curve"]

_KEYS = ("curve_epochs", "dev_cer_by_epoch", "dev_loss_by_epoch")


def read_curve(
    folder: Path,
    row: Mapping[str, Any],
    shared: Iterable[tuple[Path, Mapping[str, Any]]] = (),
) -> dict[str, Optional[str]]:
    """Read the epochs of shared trainings and then the model's own, numbered on.

    A model's own log lies in its folder, or in ``train/`` where the model was made of
    what had been trained. Of a shared training the rates of the row's own size (or
    mode) are taken; its epochs count even where the log does not say them.

    Args:
        folder: Of the model.
        row: With its size and perhaps a mode.
        shared: Folder and entry (with "serves") of each training that the model is
            built on, the first one first.

    Returns:
        ``curve_epochs``, ``dev_cer_by_epoch`` (percent), ``dev_loss_by_epoch``: numbers
        of a line each, since a row is read by people too; nan where unknown, None if
        nothing is.
    """
    parts = [read_train_log(path, _output(row, entry)) for path, entry in shared]
    parts.append(read_train_log(folder) or read_train_log(folder / "train"))
    numbers: list[int] = []
    epochs: list[Epoch] = []
    for part in parts:
        before = numbers[-1] if numbers else 0
        numbers += [before + epoch.number for epoch in part]
        epochs += part
    columns = (
        numbers,
        [epoch.dev_cer for epoch in epochs],
        [epoch.dev_loss for epoch in epochs],
    )
    return dict(zip(_KEYS, map(_text, columns)))


def _output(row: Mapping[str, Any], entry: Mapping[str, Any]) -> Optional[str]:
    """Name the row's part of a shared training; the largest size is the whole model."""
    if row.get("mode"):
        return row["mode"]
    size = row_size(row)
    return None if size == max(entry["serves"]) else f"layer{size}"


def _text(values: Iterable[Optional[float]]) -> Optional[str]:
    listed = ["nan" if value is None else f"{value:.5g}" for value in values]
    return " ".join(listed) if set(listed) - {"nan"} else None
