"""Identify any ESPnet ASR experiment folder, and choose which scores to use."""

import logging
from pathlib import Path
from typing import Any, Optional, Union

from espnet_plugin.checkpoints.depth import encoder_depth
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.checkpoint import choose_checkpoint
from espnet_plugin.experiment.decoded import DECODE_PREFIX, ORIGINAL, DecodedSet
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.results.row import Identity, Size
from espnet_plugin.results.train_log import read_train_log

__all__ = [
    "ScoredSets",
    "ESPNET_METHOD",
    "choose_decoding",
    "choose_set",
    "count_sizes",
    "read_identity",
    "read_times",
]

ESPNET_METHOD = "espnet"

# By folder name of the decoding and by name of the set; see ``Experiment.scored``.
ScoredSets = dict[str, dict[str, DecodedSet]]


def choose_decoding(folder: Path, scores: ScoredSets, wanted: Optional[str]) -> str:
    """Choose the decoding folder; if there is none yet, ``wanted`` is its name.

    Args:
        folder: The experiment, for messages.
        scores: What ``Experiment.scored`` returned.
        wanted: Name of the decoding, with or without ``decode_``; None: the only one.

    Raises:
        UserError: If none is named and there are several.
    """
    if wanted is not None:
        names = (wanted, f"{DECODE_PREFIX}{wanted}")
        return next((name for name in names if name in scores), names[1])
    if len(scores) > 1:
        raise UserError(
            f"{folder} has the scores of several decodings ({', '.join(scores)}): "
            "name one with --decoding"
        )
    return next(iter(scores), f"{DECODE_PREFIX}*")


def choose_set(
    folder: Path,
    sets: dict[str, DecodedSet],
    test_set: Optional[str],
    dev_set: str,
) -> tuple[Optional[DecodedSet], Optional[DecodedSet]]:
    """Choose the test set and the development set of one decoding.

    Args:
        folder: The experiment, for messages.
        sets: The scored sets of one decoding.
        test_set: Name of the test set; None: the only one except the development set.
        dev_set: Name of the development set, with or without ``org/``.

    Returns:
        Both; None for a set that does not exist.

    Raises:
        UserError: If no test set is named and there are several.
    """
    dev = sets.get(dev_set, sets.get(f"{ORIGINAL}{dev_set}"))
    original = [name for name in sets if name.startswith(ORIGINAL)]
    if dev is None and len(original) == 1:
        dev = sets[original[0]]
    if test_set is not None:
        return sets.get(test_set), dev
    others = [
        name
        for name, decoded in sets.items()
        if decoded != dev and not name.startswith(ORIGINAL)
    ]
    if len(others) > 1:
        raise UserError(
            f"{folder} has the scores of several sets ({', '.join(others)}): name one "
            "with --test_set"
        )
    return (sets[others[0]] if others else None), dev


def read_identity(folder: Path, missing: list[str]) -> Identity:
    """Return the values of ``meta.json`` from ``config.yaml``.

    ``layers`` is 0 if the configuration has no known option for it.

    Args:
        folder: Folder with ``config.yaml``.
        missing: Receives a note for each unknown value.

    Raises:
        UserError: If ``config.yaml`` is not that of an ASR model.
    """
    config = Experiment(folder).config()
    layers = encoder_depth(config)
    if not layers:
        missing.append("config.yaml: number of encoder layers")
    ctc_weight = config["model_conf"].get("ctc_weight", 0.5)
    checkpoint: Optional[Path] = None
    try:
        checkpoint = choose_checkpoint(folder, ctc_only=ctc_weight == 1.0)
    except UserError as error:
        logging.warning("%s", error)
        missing.append("a checkpoint (*.pth)")
    name = folder.resolve().name
    return Identity(
        method=ESPNET_METHOD,
        variant=name,
        layers=layers,
        size=layers,
        seed=int(config.get("seed") or 0),
        folder=name,
        checkpoint=checkpoint.name if checkpoint else None,
    )


def count_sizes(folder: Path, checkpoint: str) -> Size:
    """Load a model to count its parameters, if they are not in ``rtf.json``.

    If ESPnet cannot build the model, this is logged, and only the size in bytes is
    known.
    """
    path = folder / checkpoint
    file_bytes = path.stat().st_size
    # Imported here, because importing ESPnet takes many seconds.
    from espnet_plugin.measure.parameters import count_nonzero, count_parameters
    from espnet_plugin.measure.workload import load_with_rate

    try:
        model, _ = load_with_rate(folder, path)
    except UserError as error:
        logging.warning("%s: the parameters cannot be counted: %s", folder, error)
        return Size(file_bytes=file_bytes)
    total = count_parameters(model)["total"]
    return Size(total, count_nonzero(model), file_bytes)


def read_times(folder: Union[str, Path]) -> dict[str, Any]:
    """Return wall-clock seconds of training and number of epochs, from ``train.log``.

    Returns:
        ``train_seconds`` and ``epochs``; empty if the time of an epoch is missing.
    """
    epochs = read_train_log(folder)
    times = [epoch.train_seconds for epoch in epochs]
    if not times or None in times or epochs[-1].number != len(epochs):
        return {}
    return {"train_seconds": sum(times), "epochs": len(epochs)}
