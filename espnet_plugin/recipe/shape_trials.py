"""Brief trainings of some shapes for each budget; the best on dev becomes the size."""

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

# In percent. Above it next to nothing is recognised, and the loss says more.
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
    """Try shapes for each budget by stage 5's training, and choose one for each.

    Which are tried: of each depth the widest that the budget holds, and of the depths
    evenly spaced ones. A trial that is finished is not repeated, and one that was
    interrupted is resumed; budgets share the trials of equal shapes.

    Args:
        folder: Gets ``shapes.json`` and a folder for each trial.
        rule: What is tried, and for how long.
        config_file: Configuration of the trainings.
        options: ESPnet's options and those of EncRL: data, reference.
        reference: The reference's configuration, with its tokens.
        seed: Seed of the trainings.
        init: See :func:`espnet_plugin.jobs.shaped.shape_options`.

    Raises:
        UserError: If nothing trains the CTC layer, whose figures are compared, a budget
            holds no shape, or a training fails or was another one.
    """
    encrl = read_yaml(config_file)
    _check_objectives(encrl, options)
    shapes = list_shapes(reference, encrl, len(reference["token_list"]))
    # All before the first is trained: a wrong budget should not cost the others' hours.
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
    """Return the best of some trials, and what decided.

    It is the lowest character error rate on dev, if any is below 90 %; otherwise
    nothing is recognised yet and the lowest loss on dev decides. Of equal ones the
    first, deepest one is taken.

    Raises:
        UserError: If not one trial has a figure.
    """
    learnt = [t for t in tried if t.dev_cer is not None and t.dev_cer < _NOT_LEARNT]
    if learnt:
        return min(learnt, key=lambda t: t.dev_cer), BY_ERRORS
    known = [trial for trial in tried if trial.dev_loss is not None]
    if not known:
        raise UserError(
            f"the trials {', '.join(trial.folder for trial in tried)} have no loss on "
            "dev in their train.log: more --trial_epochs, or name --sizes instead"
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
        # The same start as the others': the first layers, here of the whole width.
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
    """Refuse trainings that leave the CTC layer random: its figures say nothing."""
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
            f"--budget: trials are compared by their CTC layers, which --objectives "
            f"{' '.join(names)} does not train: add kl, mse or mae, or name --sizes"
        )


def _may_copy(options: Sequence[str], config_file: Path) -> bool:
    """Whether the student has the reference's layers."""
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
