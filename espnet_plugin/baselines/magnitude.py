"""Unstructured magnitude pruning, which makes smaller files at the same speed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Sequence

from espnet_plugin.baselines.job import BaselineJob
from espnet_plugin.baselines.pruned import train_pruned
from espnet_plugin.checkpoints.load import build_asr_model, load_state
from espnet_plugin.errors import UserError
from espnet_plugin.jobs.models import PlainModel, export_once

__all__ = ["Options", "train"]


@dataclass(frozen=True)
class Options:
    """Options of the method.

    Attributes:
        amounts: Shares of all parameters to remove at once without training, as in the
            EncRL paper (section 4.3). None: parameters are removed gradually during
            fine-tuning, down to the number of each size.
        without: Sub-modules that stay dense, e.g. ``[conv_module]``.
        per_tensor: With ``amounts``, whether the same share of each tensor is removed.
        begin: Share of the updates after which gradual pruning begins, 0 to 1.
        end: Share of the updates after which it ends, 0 to 1.
        every: Number of updates between two prunings.
    """

    amounts: Optional[Sequence[float]] = None
    without: Sequence[str] = ()
    per_tensor: bool = True
    begin: float = 0.0
    end: float = 0.6
    every: int = 20

    def __post_init__(self):
        for amount in self.amounts or ():
            if not isinstance(amount, (int, float)) or not 0 < amount < 1:
                raise UserError(f"amounts {amount!r}: each must be between 0 and 1")
        if not 0 <= self.begin <= self.end <= 1:
            raise UserError(
                f"begin {self.begin}, end {self.end}: must be 0 <= begin <= end <= 1"
            )
        if self.every < 1:
            raise UserError(f"every {self.every}: must be 1 or more")

    @property
    def trains(self) -> bool:
        """Whether models are trained, for the dry run."""
        return self.amounts is None


def train(job: BaselineJob, options: Options) -> list[Path]:
    """Prune at once to each amount, or gradually to each size.

    Raises:
        UserError: If an amount or a target is impossible, or a target is not reached.
    """
    if options.amounts is not None:
        return [_prune_once(job, options, float(a)) for a in options.amounts]
    conf = {"begin": options.begin, "end": options.end, "every": options.every}
    return [
        train_pruned(
            job, size, "magnitude", conf, options.without, variant=job.as_size(size)
        )
        for size in job.sizes
    ]


@dataclass(frozen=True)
class PruneRequest:
    """The request of a model that is pruned without training.

    Attributes:
        reference: Digest of the reference's checkpoint.
        amount: Share of all parameters that is removed, 0 to 1.
        without: See :class:`Options`.
        per_tensor: See :class:`Options`.
    """

    reference: Optional[str]
    amount: float
    without: Sequence[str]
    per_tensor: bool


def _prune_once(job: BaselineJob, options: Options, amount: float) -> Path:
    request = PruneRequest(
        job.reference.sha256, amount, list(options.without), options.per_tensor
    )
    folder = Path(f"{job.output}_{amount * 100:g}pc")
    return export_once(folder, request, lambda: _pruned(job, options, amount)).folder


def _pruned(job: BaselineJob, options: Options, amount: float) -> PlainModel:
    from espnet_plugin.pruning.magnitude import prune_once
    from espnet_plugin.pruning.select import count_weights, prunable_modules

    config = job.reference.config()
    model, _ = build_asr_model(config, job.reference.config_file)
    load_state(model, job.reference.state, job.reference.checkpoint)
    modules = prunable_modules(model, without=options.without)
    total = sum(p.numel() for p in model.parameters())
    share = amount * total / count_weights(modules)
    if not 0 < share < 1:
        raise UserError(
            f"options.amounts {amount}: this share of {total} parameters is "
            f"{share:.2f} times the weights that can be pruned: choose an amount for "
            "which this is above 0 and below 1"
        )
    prune_once(modules, share, options.per_tensor)
    meta = job.meta(
        job.reference.num_layers,
        variant=f"{job.variant} {amount * 100:g} %".strip(),
        reference_sha256=job.reference.sha256,
        audio_scale=job.audio_scale(),
    )
    return PlainModel(config, model.state_dict(), meta)
