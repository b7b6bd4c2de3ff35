"""The trainings of ``encrl.sh`` as a plan whose time and disk space are estimated."""

from dataclasses import dataclass
from typing import Any, Mapping, Optional, Sequence

from espnet_plugin.errors import UserError
from espnet_plugin.estimate.counted import CountedModels
from espnet_plugin.estimate.plan import Plan
from espnet_plugin.recipe.planned_sizes import PlannedSizes
from espnet_plugin.recipe.trainings import FineTuning, encrl_trainings, stage_6
from espnet_plugin.shape import Shape

__all__ = ["Configurations", "encrl_plan"]

# Utterances per batch, if the configuration has no batch_bins.
_UTTERANCES = 64


@dataclass(frozen=True)
class Configurations:
    """Contents of the configuration files of the trainings.

    Attributes:
        reference: Configuration of stage 4, or of an imported reference.
        encrl: Configuration of stage 5.
        finetune: Configuration of stage 6.
    """

    reference: Mapping[str, Any]
    encrl: Mapping[str, Any]
    finetune: Mapping[str, Any]


def encrl_plan(
    planned: PlannedSizes,
    configs: Configurations,
    counted: CountedModels,
    baselines: Sequence[Optional[float]],
    cache_top: int = 0,
) -> Plan:
    """Return the plan of a recipe's trainings.

    Args:
        planned: Options and sizes of the recipe.
        configs: The configurations.
        counted: Operations of the models.
        baselines: Epochs of each baseline; None if it trains nothing.
        cache_top: Number of tokens that a teacher cache keeps of each frame; 0: all.

    Raises:
        UserError: If a configuration has no ``max_epoch``.
    """
    options, encrl = planned.options, configs.encrl
    encrl_epochs = _epochs(options.encrl_epochs, encrl, options.encrl_config)
    epochs = _epochs(options.finetune_epochs, configs.finetune, options.finetune_config)
    runs = [
        (one, (counted.of(one.shape, one.freeze), one.epochs or encrl_epochs))
        for one in encrl_trainings(options)
    ]
    joint = [run for one, run in runs if not one.by_itself]
    finetuned = [
        (counted.of(shape, one.freeze), epochs if given is None else given)
        for one in stage_6(options)
        if isinstance(one, FineTuning)
        for shape, given in one.trained()
    ]
    trained = [one for one in baselines if one is not None]
    bins, seconds = encrl.get("batch_bins"), counted.utterance_seconds
    batch_hours = (bins / options.fs if bins else _UTTERANCES * seconds) / 3600
    reference_epochs = 0
    if not options.reference:
        reference_epochs = _epochs(None, configs.reference, options.reference_config)
    return Plan(
        reference=counted.reference,
        student=joint[0][0] if joint else counted.of(Shape(options.encrl_layers)),
        finetuned=finetuned,
        models={n.in_words: counted.of(n) for n in options.sizes},
        vocabulary=counted.vocabulary,
        frames_per_second=counted.frames_per_second,
        width=counted.width,
        reference_epochs=reference_epochs,
        encrl_epochs=joint[0][1] if joint else 0,
        alone=[run for one, run in runs if one.by_itself],
        trials=[(counted.of(shape), options.trial_epochs) for shape in planned.trials],
        baseline_epochs=sum(trained) / max(1, len(trained)),
        num_baselines=len(trained),
        num_untrained=len(baselines) - len(trained),
        nbest=encrl.get("keep_nbest_models", 5),
        updates_per_hour=1 / batch_hours / encrl.get("accum_grad", 1),
        cache=bool(options.teacher_cache),
        cache_top=cache_top,
    )


def _epochs(given: Optional[float], config: Mapping[str, Any], what: str) -> float:
    epochs = config.get("max_epoch") if given is None else given
    if epochs is None:
        raise UserError(f"{what} has no max_epoch: add it")
    return epochs
