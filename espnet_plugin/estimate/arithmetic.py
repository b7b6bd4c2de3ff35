"""Estimate the time and disk space of the stages from operations and rates.

The operations are counted elsewhere. Every rate is an option, so that it can be
replaced by one that was measured on the machine.
"""

from dataclasses import replace
from typing import Optional, Sequence

from espnet_plugin.counted import counted
from espnet_plugin.errors import UserError
from espnet_plugin.estimate.plan import (
    FLAC_BYTES,
    Corpus,
    Hardware,
    ModelFlops,
    Plan,
    StageCost,
)

__all__ = ["cache_bytes", "estimate"]

# Bytes per weight: in a checkpoint; with Adam's two moments, for resuming.
_WEIGHT, _RESUME = 4, 12


def cache_bytes(plan: Plan, hours: float, utterance_seconds: float) -> float:
    """Return the size of a teacher cache in bytes; see distill/store_format.py."""
    tokens = plan.cache_top or plan.vocabulary
    per_token = 6 if plan.cache_top else 2
    frames = hours * 3600 * plan.frames_per_second
    utterances = hours * 3600 / utterance_seconds
    # The pooled encoding, and a line of the index.
    return frames * tokens * per_token + utterances * (4 * plan.width + 45)


def estimate(
    corpus: Corpus, hardware: Hardware, plan: Plan, stages: Optional[range] = None
) -> list[StageCost]:
    """Estimate what the stages would take.

    Args:
        corpus: Amount of audio.
        hardware: Rates of the hardware.
        plan: Models and epochs.
        stages: Numbers of the stages; 2 to 8 by default.

    Raises:
        UserError: If a rate or an amount is not positive.
    """
    for name, value in (
        *vars(hardware).items(),
        ("corpus hours", corpus.hours),
        ("utterance_seconds", corpus.utterance_seconds),
    ):
        if not value > 0:
            raise UserError(f"{name} {value}: must be above 0")
    epoch = corpus.epoch_hours
    small = list(plan.models.values())

    def training(
        stage: int, name: str, flops: float, epochs: float, models: list, more=0.0
    ) -> StageCost:
        """Return the cost of training ``models`` together over the audio.

        ``flops`` are the operations for an hour of audio, ``more`` are further bytes on
        disk, e.g. of a teacher cache.
        """
        hours = epochs * epoch
        compute = hours * flops / (hardware.flops_per_second * hardware.devices) / 3600
        passes = hours * len(models)
        loading = passes / (hardware.load_rate * hardware.loaders * hardware.devices)
        weights = sum(model.params for model in models)
        # Ring all-reduce of gradients in single precision.
        share = 2 * (hardware.devices - 1) / hardware.devices
        return StageCost(
            stage,
            name,
            max(compute, loading),
            weights * (_WEIGHT * (plan.nbest + 1) + 2 * _RESUME) + more,
            passes * FLAC_BYTES,
            hours * plan.updates_per_hour * share * weights * _WEIGHT,
            "compute" if compute >= loading else "loading",
        )

    copies = sum(corpus.hours / s for s in corpus.speeds if s != 1.0)
    written = copies + (corpus.hours if corpus.segmented else 0.0)
    only_read = epoch - written
    stage_2 = only_read / hardware.read_rate + written / hardware.write_rate
    costs = [
        StageCost(
            2,
            "features and tokens",
            stage_2 / hardware.processes,
            written * FLAC_BYTES,
            corpus.hours * len(corpus.speeds) * FLAC_BYTES,
            limit="cores",
        ),
        StageCost(
            3,
            "statistics",
            0.0 if not plan.reference_epochs else epoch / hardware.stats_rate,
            0.0,
            epoch * FLAC_BYTES,
            limit="cores",
        ),
    ]
    if plan.reference_epochs:
        costs.append(
            training(
                4,
                "reference",
                plan.reference.train,
                plan.reference_epochs,
                [plan.reference],
            )
        )
    else:
        costs.append(StageCost(4, "reference (imported)", 0.0))
    # A cache is filled by a single device.
    teacher = plan.reference.forward
    stored = cache_bytes(plan, epoch, corpus.utterance_seconds) if plan.cache else 0.0
    live = 0.0 if plan.cache else teacher
    trained = [(plan.student, plan.encrl_epochs), *plan.alone]

    def encrl_of(name: str, models: Sequence[tuple[ModelFlops, float]]) -> StageCost:
        cost = _together(
            [training(5, name, m.train + live, epochs, [m]) for m, epochs in models]
        )
        read = cost.read_bytes + stored * sum(epochs for _, epochs in models)
        return replace(cost, read_bytes=read)

    if plan.trials:
        costs.append(
            encrl_of(f"{counted(len(plan.trials), 'trial')} of shapes", plan.trials)
        )
    encrl = encrl_of("EncRL" + (" with teacher cache" if plan.cache else ""), trained)
    fill = epoch * teacher / hardware.flops_per_second / 3600 if plan.cache else 0.0
    costs.append(
        replace(
            encrl,
            hours=encrl.hours + fill,
            num_bytes=encrl.num_bytes + stored,
        )
    )
    costs.append(
        _together(
            [
                training(6, "fine-tuning", model.train, epochs, [model])
                for model, epochs in plan.finetuned
            ]
            or [StageCost(6, "cut out of stage 5's models", 0.0)]
        )
    )
    forward = plan.reference.forward + sum(model.forward for model in small)
    costs.append(
        StageCost(
            7,
            "decoding (best path)",
            corpus.eval_hours * forward / hardware.flops_per_second / 3600,
            0.0,
            corpus.eval_hours * FLAC_BYTES * (1 + len(small)),
        )
    )
    costs.append(
        training(
            8,
            _baselines(plan),
            sum(model.train for model in small) * plan.num_baselines,
            plan.baseline_epochs,
            small * plan.num_baselines,
            sum(model.params for model in small) * plan.num_untrained * _WEIGHT,
        )
    )
    wanted = stages or range(2, 9)
    return [cost for cost in costs if cost.stage in wanted]


def _baselines(plan: Plan) -> str:
    if not plan.num_untrained:
        return (
            "1 baseline"
            if plan.num_baselines == 1
            else f"{plan.num_baselines} baselines"
        )
    total = plan.num_baselines + plan.num_untrained
    return f"{total} baselines, {plan.num_untrained} untrained"


def _together(costs: Sequence[StageCost]) -> StageCost:
    """Return the sum of the costs of trainings, with the limit of the longest."""
    longest = max(costs, key=lambda cost: cost.hours)
    amounts = ("hours", "num_bytes", "read_bytes", "sent_bytes")
    summed = {name: sum(getattr(c, name) for c in costs) for name in amounts}
    return replace(longest, **summed)
