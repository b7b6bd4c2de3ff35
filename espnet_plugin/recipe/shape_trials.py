"""Short trainings of several shapes for each budget, to choose the best one on dev."""

import logging
from itertools import takewhile
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

from espnet_plugin.distill.objectives import OBJECTIVES
from espnet_plugin.errors import UserError
from espnet_plugin.estimate.candidates import Candidate, fitting, list_shapes, spread
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.files import read_json
from espnet_plugin.jobs.encrl import train_encrl
from espnet_plugin.jobs.shaped import shape_options
from espnet_plugin.recipe.chosen_shapes import (
    BY_ERRORS,
    BY_LOSS,
    SHAPES_FILE,
    Choice,
    Trial,
    TrialRule,
    write_chosen,
)
from espnet_plugin.results.train_log import read_train_log
from espnet_plugin.yaml_files import read_yaml

__all__ = ["best_trial", "choose_shapes"]

# Character error rate in percent. Above it hardly anything is recognised, and the loss
# is the better criterion.
_NOT_LEARNT = 90.0


def choose_shapes(
    folder: Path,
    rule: TrialRule,
    config_file: Path,
    options: Sequence[str],
    reference: Mapping[str, Any],
    seed: int,
    init: str = "auto",
) -> list[Choice]:
    """Try several shapes for each budget with the training of stage 5, and choose one.

    For each number of layers the widest shape within the budget is a candidate, and
    evenly spaced candidates are tried. Finished trials are not repeated, interrupted
    ones are resumed, and budgets share the trials of equal shapes.

    Args:
        folder: Receives ``shapes.json`` and a folder for each trial.
        rule: How many shapes are tried for which budgets, and for how long.
        config_file: Configuration of the trainings.
        options: Options of ESPnet and EncRL: data, reference.
        reference: Configuration of the reference, with its tokens.
        seed: Seed of the trainings.
        init: See :func:`espnet_plugin.jobs.shaped.shape_options`.

    Returns:
        The choice for each budget.

    Raises:
        UserError: If no objective trains the CTC layer, by which trials are compared,
            no shape fits a budget, a trial fails, or a folder holds a different
            training.
    """
    encrl = read_yaml(config_file)
    _check_objectives(encrl, options)
    shapes = list_shapes(reference, encrl, len(reference["token_list"]))
    # All budgets are checked before the first training, which may take hours.
    fit = [fitting(shapes, budget) for budget in rule.budgets]
    choices = []
    for budget, candidates in zip(rule.budgets, fit):
        tried = []
        for one in spread(candidates, rule.trials):
            name = f"encrl_{one.shape}l_e{rule.epochs}"
            logging.info("%s: trial of %s in %s", budget.text, one.shape, name)
            _train(folder / name, one, rule, config_file, options, seed, init)
            tried.append(_result(folder / name, one))
        best, by = best_trial(tried)
        names = tuple(str(one.shape) for one in candidates)
        choices.append(Choice(budget, names, tuple(tried), best.size, by))
        logging.info(choices[-1].in_words())
    write_chosen(folder / SHAPES_FILE, rule, choices)
    return choices


def best_trial(tried: Sequence[Trial]) -> tuple[Trial, str]:
    """Return the best trial, and the figure by which it was chosen, in words.

    This is the trial with the lowest character error rate on the development set, if
    any is below 90 %. Otherwise hardly anything is recognised yet, and the trial with
    the lowest loss on the development set is chosen. Of equal trials the first one is
    taken, which has most layers.

    Raises:
        UserError: If no trial has a figure.
    """
    learnt = [t for t in tried if t.dev_cer is not None and t.dev_cer < _NOT_LEARNT]
    if learnt:
        return min(learnt, key=lambda t: t.dev_cer), BY_ERRORS
    known = [trial for trial in tried if trial.dev_loss is not None]
    if not known:
        raise UserError(
            f"the trials {', '.join(trial.folder for trial in tried)} have no loss on "
            "dev in their train.log: give more --trial_epochs, or --sizes instead of "
            "--budget"
        )
    return min(known, key=lambda t: t.dev_loss), BY_LOSS


def _train(
    folder: Path,
    candidate: Candidate,
    rule: TrialRule,
    config_file: Path,
    options: Sequence[str],
    seed: int,
    init: str,
) -> None:
    shape = candidate.shape
    if shape.width is None:
        # As for the other shapes, the first layers, here with the full width.
        start = "first" if init == "auto" and _may_copy(options, config_file) else init
        own = ["--student_num_layers", str(shape.layers)]
        own += ["--student_init", "random" if start == "auto" else start]
        given = [*own, *options]
    else:
        given = shape_options(shape, config_file, options, init)
    given = [*given, "--max_epoch", str(rule.epochs)]
    name, layers = f"trial of {shape}", [shape.layers]
    train_encrl(folder, config_file, given, seed, name, layers, shape.width)


def _check_objectives(encrl: Mapping[str, Any], options: Sequence[str]) -> None:
    """Refuse objectives without the CTC layer, by which trials are compared."""
    conf = encrl.get("model_conf") or {}
    given = [one.split("=")[0] for one in options]
    if conf.get("ctc_loss_weight") or "--model_conf" in given:
        return
    names = list(conf.get("objectives") or ())
    if "--objectives" in given:
        behind = options[given.index("--objectives") + 1 :]
        names = list(takewhile(lambda one: not one.startswith("--"), behind))
    kinds = [OBJECTIVES[name].looks_at for name in names if name in OBJECTIVES]
    if kinds and "posteriors" not in kinds:
        raise UserError(
            f"--objectives {' '.join(names)}: does not train the CTC layer, by which "
            "--budget compares trials: add kl, mse or mae, or give --sizes instead"
        )


def _may_copy(options: Sequence[str], config_file: Path) -> bool:
    """Return whether the student's layers are like the reference's."""
    named = [*options, *(f"--{name}" for name in read_yaml(config_file))]
    return not any(one.startswith("--student_enc") for one in named)


def _result(folder: Path, candidate: Candidate) -> Trial:
    epochs = read_train_log(folder)
    cost = Experiment(folder).cost_file
    seconds = read_json(cost).get("train_seconds") if cost.is_file() else None
    return Trial(
        size=str(candidate.shape),
        params=candidate.params,
        macs_per_second=candidate.macs_per_second,
        dev_cer=_lowest(epoch.dev_cer for epoch in epochs),
        dev_loss=_lowest(epoch.dev_loss for epoch in epochs),
        train_seconds=seconds,
        folder=folder.name,
    )


def _lowest(values) -> Optional[float]:
    return min((value for value in values if value is not None), default=None)
