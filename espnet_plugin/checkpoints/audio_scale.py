"""The scale of the audio on which a model was trained: samples to 1, or to 32768.

ESPnet reads entries of type ``sound`` as samples in [-1, 1]. Entries of type
``kaldi_ark`` have the same scale in the archives that ``asr.sh`` writes, but are
integers from bare WAV files (:mod:`espnet_plugin.checkpoints.archive_scale`). For a
model that was trained on integers, samples were 32768 times as large and log-mel
features are higher by 20.8, so audio on the other scale is silence. The functions here
adapt such a model to samples in [-1, 1].
"""

from pathlib import Path
from typing import Any, Mapping, Optional, Sequence, Union

import torch

from espnet_plugin.checkpoints.archive_scale import table_scale
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.names import HEARING_ENCODERS

__all__ = [
    "audio_scale",
    "fit_to_samples",
    "noted_scale",
    "refuse_other_scale",
    "sample_factor",
    "scale_of_tables",
]

_TABLES = "train_data_path_and_name_and_type"


def scale_of_tables(
    tables: Sequence[Union[str, Sequence[str]]], roots: Sequence[Path] = (Path(),)
) -> float:
    """Return the scale of samples that ESPnet reads from its ``path,name,type``.

    An archive that is not there any more counts as one of ``asr.sh``: samples in
    [-1, 1]. ESPnet 202611 computes no features of integers, so that hardly any model
    has been trained on them (findings/espnet_ark_framing.sh).

    Args:
        tables: Data tables of a model with a front end; features have no such scale.
        roots: Folders to which relative paths may refer, the most likely one first.
    """
    for one in tables:
        path, name, kind = one.split(",") if isinstance(one, str) else one
        if name == "speech" and kind == "kaldi_ark":
            return table_scale(Path(path), roots) or 1.0
    return 1.0


def audio_scale(
    folder: Union[str, Path], config: Optional[Mapping[str, Any]] = None
) -> float:
    """Return the scale of the samples that the model of an experiment was trained on.

    Args:
        folder: The experiment. Its ``meta.json`` has the scale if the model was cut out
            of another one; otherwise it follows from the data in its configuration.
        config: Content of its ``config.yaml``, if it was read already.
    """
    experiment = Experiment(folder)
    meta = experiment.find_meta()
    if meta is not None and meta.audio_scale is not None:
        return meta.audio_scale
    if config is None:
        config = experiment.config()
    if _takes_features(config):
        return 1.0
    # Paths refer to the recipe's folder, usually two levels above exp/NAME.
    roots = (Path(), Path(folder).absolute().parent.parent)
    return scale_of_tables(config.get(_TABLES) or (), roots)


def _takes_features(config: Mapping[str, Any]) -> bool:
    hears = config.get("encoder") in HEARING_ENCODERS
    return config.get("frontend", "default") is None and not hears


def sample_factor(
    folder: Union[str, Path], config: Mapping[str, Any], table: Sequence[str]
) -> float:
    """Return the factor by which a table's samples have to be multiplied for a model.

    With it they have the scale on which the model was trained.

    Args:
        folder: Experiment of the model.
        config: Content of its ``config.yaml``.
        table: Path, ``speech`` and type of the audio.
    """
    if _takes_features(config):
        return 1.0
    return audio_scale(folder, config) / scale_of_tables([table])


def refuse_other_scale(
    config_file: Union[str, Path],
    config: Mapping[str, Any],
    tables: Sequence[Sequence[str]],
) -> None:
    """Check that data has the scale on which a reference was trained.

    Args:
        config_file: ``config.yaml`` of the reference.
        config: Its content.
        tables: Path, name and type of the data.

    Raises:
        UserError: If the scales differ.
    """
    for table in tables:
        factor = 1.0
        if table[1] == "speech":
            factor = sample_factor(Path(config_file).parent, config, table)
        if factor != 1.0:
            raise UserError(
                f"{config_file}: the reference was trained on samples {factor:g} "
                f"times as large as those of {table[0]} (integers of a kaldi_ark "
                "table, or samples in [-1, 1]), so it would not recognise them "
                "correctly: use the recipe that it was trained in (--asr_recipe), or "
                "choose another --reference"
            )


def noted_scale(scale: float) -> Optional[float]:
    """Return the scale for ``meta.json``; None for the usual one."""
    return None if scale == 1.0 else scale


def fit_to_samples(model: torch.nn.Module, scale: float, where: Any) -> None:
    """Adapt a model to samples in [-1, 1], whatever scale it was trained on.

    The filters of its front end, which take power spectra, are multiplied by the square
    of the scale. This is equivalent to multiplying the samples by the scale.

    Args:
        model: ESPnet's ASR model, which is changed in place.
        scale: See :func:`audio_scale`.
        where: Folder of the model, for messages.

    Raises:
        UserError: If the front end has no such filters.
    """
    if scale == 1.0:
        return
    filters = getattr(getattr(model.frontend, "logmel", None), "melmat", None)
    if not torch.is_tensor(filters):
        kind = type(model.frontend).__name__
        raise UserError(
            f"{where}: the model was trained on samples {scale:g} times as large as "
            f"those of a sound file (integers of kaldi_ark), and its front end {kind} "
            "cannot be adapted to a sound file: decode it with python -m "
            "espnet_plugin.bin.decode on the same kind of data"
        )
    model.frontend.logmel.melmat = filters * scale**2
