"""Find the experiment of an ESPnet recipe that becomes the reference."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.checkpoint import choose_checkpoint
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.experiment.meta import REFERENCE_METHOD
from espnet_plugin.experiment.named_files import check_tokens
from espnet_plugin.files import read_record
from espnet_plugin.names import DUAL_MODE
from espnet_plugin.results.train_log import read_train_log

__all__ = ["DONE", "TrainedExperiment", "earlier_choice", "find_experiment"]

# Record of an import, in its folder.
DONE = "done.json"


@dataclass(frozen=True)
class TrainedExperiment:
    """A finished training in a recipe of ESPnet.

    Attributes:
        folder: Folder of the experiment.
        config: Its ``config.yaml``.
        checkpoint: The checkpoint to use.
        dev_cer: Lowest character error rate of any epoch on the development set, in
            percent; None if ``train.log`` has none.
    """

    folder: Path
    config: dict[str, Any]
    checkpoint: Path
    dev_cer: Optional[float]


def find_experiment(
    recipe: Path,
    name: Optional[str] = None,
    model_file: Optional[str] = None,
    expdir: str = "exp",
) -> TrainedExperiment:
    """Return the experiment with the given name, or the best one in ``exp/asr_*``.

    The best one has the lowest character error rate on the development set in its
    ``train.log`` (of the CTC output, if there is one). If no log has an error rate, it
    is the newest one.

    Args:
        recipe: Folder of the recipe.
        name: Name of the experiment in ``exp``, or its path.
        model_file: Name of the checkpoint in the experiment.
        expdir: Folder of the experiments in ``recipe``.

    Raises:
        UserError: If there is no finished training.
    """
    if not recipe.is_dir():
        raise UserError(
            f"--asr_recipe {recipe} is not a folder: give the folder with asr.sh, "
            "data, dump and exp, e.g. egs2/librispeech_100/asr1"
        )
    root = recipe / expdir
    if name is not None:
        choices = [root / name, recipe / name, Path(name)]
        folder = next((p for p in choices if Experiment(p).config_file.is_file()), None)
        if folder is None:
            raise UserError(
                f"--recipe_exp {name}: no config.yaml in "
                f"{', '.join(map(str, choices))}; {_what_there_is(root)}"
            )
        return _read(folder, model_file)
    found, problems = [], []
    for folder in _candidates(root):
        try:
            found.append(_read(folder, model_file))
        except UserError as error:
            problems.append(str(error))
    if not found:
        reasons = "".join(f"\n  {problem}" for problem in problems)
        raise UserError(
            f"--asr_recipe {recipe} has no finished model: {_what_there_is(root)}. Run "
            "its asr.sh to the end of stage 11, or name a folder with --recipe_exp"
            f"{reasons}"
        )
    for problem in problems:
        logging.info("skipped: %s", problem)
    best = min(found, key=_rank)
    others = [item.folder.name for item in found if item is not best]
    if others:
        logging.info(
            "not chosen: %s (--recipe_exp chooses another one)", ", ".join(others)
        )
    return best


def earlier_choice(folder: Path, output_dir: Path) -> Optional[str]:
    """Return the experiment that was imported before.

    It is used again, even if the ESPnet recipe has a better experiment by now, because
    unfinished models cannot be continued with another reference.

    Args:
        folder: Folder of the ESPnet recipe.
        output_dir: Folder of the import, ``EXPDIR/asr_recipe``.

    Returns:
        Path of the experiment; None if none was imported or it no longer exists.
    """
    done = output_dir / DONE
    chosen = read_record(done)
    experiment = chosen.get("experiment")
    if chosen.get("folder") != str(folder.resolve()) or not experiment:
        return None
    return experiment if Experiment(experiment).config_file.is_file() else None


def _rank(item: TrainedExperiment) -> tuple[float, float]:
    rate = float("inf") if item.dev_cer is None else item.dev_cer
    return rate, -item.checkpoint.stat().st_mtime


def _candidates(root: Path) -> list[Path]:
    found = [Experiment(path) for path in sorted(root.glob("asr_*"))]
    return [e.folder for e in found if e.config_file.is_file() and not _is_other(e)]


def _is_other(experiment: Experiment) -> bool:
    """Return whether a folder holds statistics, or a model that this plugin has made.

    The latter are there if ``--expdir`` is the folder of the recipe's experiments.
    """
    if experiment.is_statistics:
        return True
    meta = experiment.find_meta()
    return meta is not None and meta.method != REFERENCE_METHOD


def _what_there_is(root: Path) -> str:
    names = ", ".join(folder.name for folder in _candidates(root))
    return f"{root} has {names or 'no asr_*/config.yaml'}"


def _read(folder: Path, model_file: Optional[str]) -> TrainedExperiment:
    """Read an experiment; refuse one that is unfinished or cannot be a reference."""
    experiment = Experiment(folder)
    config = experiment.config()
    kind = config.get("model") or "espnet"
    if kind != "espnet":
        raise UserError(
            f"{folder}: model {kind} cannot be a reference: choose an experiment with "
            "model espnet (CTC or hybrid CTC/attention) by --recipe_exp"
        )
    if config["encoder"] == DUAL_MODE:
        raise UserError(
            f"{folder}: a dual-mode model cannot be a reference: choose another "
            "experiment by --recipe_exp"
        )
    check_tokens(config, experiment.config_file)
    # ESPnet averages at the very end of a training.
    if model_file is None and not experiment.is_averaged:
        raise UserError(
            f"{folder} is not finished: it has no averaged checkpoint (*.ave*.pth), "
            f"only {experiment.num_epoch_files} of single epochs: finish the training, "
            "or name a checkpoint with --reference_model_file"
        )
    ctc_only = config["model_conf"].get("ctc_weight", 0.5) == 1.0
    checkpoint = choose_checkpoint(folder, model_file, ctc_only)
    rates = [e.dev_cer for e in read_train_log(folder) if e.dev_cer is not None]
    return TrainedExperiment(folder, config, checkpoint, min(rates, default=None))
