"""Estimate the time and disk space of the stages from operations and rates.

The operations are counted elsewhere. Every rate is an option, so that it can be
replaced by one that was measured on the machine.
"""

from dataclasses import dataclass, replace
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
    made = _Stages(corpus, hardware, plan)
    costs = [
        made.features(),
        made.statistics(),
        made.reference(),
        *made.trials(),
        made.encrl(),
        made.fine_tuning(),
        made.decoding(),
        made.baselines(),
    ]
    wanted = stages or range(2, 9)
    return [cost for cost in costs if cost.stage in wanted]


@dataclass(frozen=True)
class _Stages:
    """The cost of each stage; see :func:`estimate` for the attributes."""

    corpus: Corpus
    hardware: Hardware
    plan: Plan

    def features(self) -> StageCost:
        """Return the cost of stage 2, which checks all audio and writes some."""
        corpus, hardware = self.corpus, self.hardware
        copies = sum(corpus.hours / s for s in corpus.speeds if s != 1.0)
        written = copies + (corpus.hours if corpus.segmented else 0.0)
        only_read = corpus.epoch_hours - written
        hours = only_read / hardware.read_rate + written / hardware.write_rate
        return StageCost(
            2,
            "features and tokens",
            hours / hardware.processes,
            written * FLAC_BYTES,
            corpus.hours * len(corpus.speeds) * FLAC_BYTES,
            limit="cores",
        )

    def statistics(self) -> StageCost:
        """Return the cost of stage 3; an imported reference brings its statistics."""
        epoch = self.corpus.epoch_hours
        return StageCost(
            3,
            "statistics",
            epoch / self.hardware.stats_rate if self.plan.reference_epochs else 0.0,
            0.0,
            epoch * FLAC_BYTES,
            limit="cores",
        )

    def reference(self) -> StageCost:
        """Return the cost of stage 4."""
        model, epochs = self.plan.reference, self.plan.reference_epochs
        if not epochs:
            return StageCost(4, "reference (imported)", 0.0)
        return self._training(4, "reference", model.train, epochs, [model])

    def trials(self) -> list[StageCost]:
        """Return the cost of stage 5's trials of shapes, if there are any."""
        trials = self.plan.trials
        if not trials:
            return []
        return [self._encrl_of(f"{counted(len(trials), 'trial')} of shapes", trials)]

    def encrl(self) -> StageCost:
        """Return the cost of stage 5, with filling the cache of the teacher's outputs.

        A cache is filled by a single device.
        """
        plan = self.plan
        trained = [(plan.student, plan.encrl_epochs), *plan.alone]
        if not plan.cache:
            return self._encrl_of("EncRL", trained)
        cost = self._encrl_of("EncRL with teacher cache", trained)
        operations = self.corpus.epoch_hours * plan.reference.forward
        return replace(
            cost,
            hours=cost.hours + operations / self.hardware.flops_per_second / 3600,
            num_bytes=cost.num_bytes + self._cached_bytes(),
        )

    def fine_tuning(self) -> StageCost:
        """Return the cost of stage 6."""
        trained = [
            self._training(6, "fine-tuning", model.train, epochs, [model])
            for model, epochs in self.plan.finetuned
        ]
        return _together(trained or [StageCost(6, "cut out of stage 5's models", 0.0)])

    def decoding(self) -> StageCost:
        """Return the cost of stage 7, for the reference and all small models."""
        small, hours = self.plan.models.values(), self.corpus.eval_hours
        forward = self.plan.reference.forward + sum(model.forward for model in small)
        return StageCost(
            7,
            "decoding (best path)",
            hours * forward / self.hardware.flops_per_second / 3600,
            0.0,
            hours * FLAC_BYTES * (1 + len(small)),
        )

    def baselines(self) -> StageCost:
        """Return the cost of stage 8."""
        plan, small = self.plan, list(self.plan.models.values())
        return self._training(
            8,
            _baselines(plan),
            sum(model.train for model in small) * plan.num_baselines,
            plan.baseline_epochs,
            small * plan.num_baselines,
            sum(model.params for model in small) * plan.num_untrained * _WEIGHT,
        )

    def _cached_bytes(self) -> float:
        """Return the size of the cache of the teacher's outputs; 0 without one."""
        if not self.plan.cache:
            return 0.0
        corpus = self.corpus
        return cache_bytes(self.plan, corpus.epoch_hours, corpus.utterance_seconds)

    def _encrl_of(
        self, name: str, models: Sequence[tuple[ModelFlops, float]]
    ) -> StageCost:
        """Return the cost of EncRL for models and their epochs, without the cache."""
        # Without a cache, the teacher computes its outputs in each epoch.
        live = 0.0 if self.plan.cache else self.plan.reference.forward
        cost = _together(
            [
                self._training(5, name, model.train + live, epochs, [model])
                for model, epochs in models
            ]
        )
        cached = self._cached_bytes() * sum(epochs for _, epochs in models)
        return replace(cost, read_bytes=cost.read_bytes + cached)

    def _training(
        self,
        stage: int,
        name: str,
        flops: float,
        epochs: float,
        models: Sequence[ModelFlops],
        more: float = 0.0,
    ) -> StageCost:
        """Return the cost of training models together over the audio.

        Args:
            stage: Number of the stage.
            name: What it does.
            flops: Operations for an hour of audio.
            epochs: Number of epochs.
            models: The models.
            more: Further bytes on disk.
        """
        hardware, plan = self.hardware, self.plan
        hours = epochs * self.corpus.epoch_hours
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
