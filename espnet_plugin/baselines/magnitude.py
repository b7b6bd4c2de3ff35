"""Unstructured magnitude pruning: a smaller file, the same speed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Sequence

from espnet_plugin.baselines.job import BaselineJob
from espnet_plugin.baselines.pruned import train_pruned
from espnet_plugin.checkpoints.load import build_asr_model, load_state
from espnet_plugin.cost.log import write_no_cost
from espnet_plugin.errors import UserError
from espnet_plugin.jobs.training_job import training_job

__all__ = ["Options", "train"]


@dataclass(frozen=True)
class Options:
    """What may be chosen.

    Attributes:
        amounts: Shares of all parameters to remove at once, without any training, as
            the EncRL paper did (section 4.3); None: gradually, while fine-tuning, down
            to the count of each size.
        without: Sub-modules to leave dense, e.g. ``[conv_module]``.
        per_tensor: With ``amounts``: the same share of every tensor.
        begin: Share of the updates after which gradual pruning begins.
        end: Share of the updates after which it ends.
        every: Updates from one pruning to the next.
    """

    amounts: Optional[Sequence[float]] = None
    without: Sequence[str] = ()
    per_tensor: bool = True
    begin: float = 0.0
    end: float = 0.6
    every: int = 20


def train(job: BaselineJob, options: Options) -> list[Path]:
    """Prune at once to each amount, or gradually to each size."""
    if options.amounts is not None:
        return [_prune_once(job, options, float(a)) for a in options.amounts]
    conf = {"begin": options.begin, "end": options.end, "every": options.every}
    return [
        train_pruned(
            job, size, "magnitude", conf, options.without, variant=job.as_size(size)
        )
        for size in job.sizes
    ]


def _prune_once(job: BaselineJob, options: Options, amount: float) -> Path:
    folder = Path(f"{job.output}_{amount * 100:g}pc")
    request = {
        "reference": job.reference.sha256,
        "amount": amount,
        "without": list(options.without),
        "per_tensor": options.per_tensor,
    }
    with training_job(folder, request) as todo:
        if todo is not None:
            _write_pruned(job, options, amount, folder)
    return folder


def _write_pruned(
    job: BaselineJob, options: Options, amount: float, folder: Path
) -> None:
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
            f"amounts: {amount} of {total} parameters are {share:.2f} times the "
            "weights that may be pruned: must be above 0 and below 1"
        )
    prune_once(modules, share, options.per_tensor)
    meta = job.meta(
        job.reference.num_layers,
        variant=f"{job.variant} {amount * 100:g} %".strip(),
    )
    write_no_cost(folder)
    job.write_model(folder, config, model.state_dict(), meta)
