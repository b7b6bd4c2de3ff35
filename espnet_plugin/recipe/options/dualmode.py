"""The options of ``dualmode.sh``."""

from dataclasses import dataclass
from functools import partial

from espnet_plugin.recipe.option import PassedTo, option, same_option
from espnet_plugin.recipe.options.encrl import EncrlRecipeOptions
from espnet_plugin.recipe.options.sections import (
    BASELINES,
    DATA,
    DECODING,
    TRAINING,
)
from espnet_plugin.recipe.options.shared import SharedOptions
from espnet_plugin.recipe.values.names import SetName
from espnet_plugin.recipe.values.numbers import Whole
from espnet_plugin.recipe.values.text import Text, Words
from espnet_plugin.recipe.values.words import Choice

__all__ = ["LIST_ONLY", "DualmodeOptions"]

_data = partial(option, DATA)
_training = partial(option, TRAINING)
_baseline = partial(option, BASELINES)
_decoding = partial(option, DECODING)

# The dry run of families whose operations are not counted.
LIST_ONLY = (
    "Only list the stages, their trainings with folders and epochs, what is finished "
    "and, after a first epoch, how long the rest will take; nothing is started."
)
_MAYBE_EPOCHS = Whole(1, optional=True)


@dataclass(frozen=True)
class DualmodeOptions(SharedOptions):
    """The options of ``dualmode.sh``."""

    dry_run: bool = same_option(EncrlRecipeOptions, "dry_run", help=LIST_ONLY)
    pretrain_set: str = _data(
        "",
        SetName(optional=True),
        "Folder in datadir with audio for pre-training; transcripts are not used.",
    )

    pretrain_config: str = _training(
        "conf/dualmode/pretrain_wav2vec2.yaml",
        Text(),
        "Configuration of stage 4.",
    )
    pretrain_epochs: int = _training(
        "",
        _MAYBE_EPOCHS,
        "Epochs of stage 4, instead of the configuration's.",
    )
    train_config: str = _training(
        "conf/dualmode/train.yaml",
        Text(),
        "Configuration of stage 5, supervised.",
    )
    row_dir: str = _training(
        "conf/dualmode/rows",
        Text(),
        "Folder with a file for each row: its changes to train_config.",
    )
    rows: tuple[str, ...] = _training(
        "self_pruned_50", Words(), "Names of files in row_dir, in quotes if several."
    )
    epochs: int = _training(
        "",
        _MAYBE_EPOCHS,
        "Epochs of stage 5, instead of the configuration's.",
    )
    pretrained: str = _training(
        "",
        Text(),
        "Checkpoint of a pre-training, for rows that start from one; if empty, that of "
        "stage 4.",
    )
    reference: str = _training(
        "",
        Text(),
        "Folder of a trained recogniser: the teacher of rows named taught_*, and the "
        "source of the layers from which rows named copied_* start.",
    )
    teacher_cache: str = same_option(
        EncrlRecipeOptions, "teacher_cache", section=TRAINING
    )
    train_args: tuple[str, ...] = _training(
        "",
        Words(),
        "More options for stages 5 and 8: those of ESPnet's asr_train.",
        passed_to=PassedTo("dual_mode_train", [5, 8], "train_config"),
    )

    baselines: tuple[str, ...] = _baseline(
        "full_alone streaming_alone pruned_after_50 dense_dense",
        Words(),
        "Names of files in row_dir, in quotes if several.",
    )

    decoding: str = _decoding(
        "best_path",
        Choice(("best_path", "prefix", "transducer")),
        "best_path, prefix, or transducer where there is one.",
    )
