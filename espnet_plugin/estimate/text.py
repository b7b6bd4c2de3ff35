"""An estimate in words and a table."""

from typing import Sequence

from espnet_plugin.estimate.plan import Corpus, Plan, StageCost

__all__ = ["amount", "estimate_lines"]

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def amount(num_bytes: float) -> str:
    """Return bytes with a unit, e.g. ``1.2 GB``."""
    unit = 0
    while num_bytes >= 1000 and unit < len(_UNITS) - 1:
        num_bytes, unit = num_bytes / 1000, unit + 1
    return f"{num_bytes:.3g} {_UNITS[unit]}"


def _hours(hours: float) -> str:
    if hours < 1:
        return f"{hours * 60:.1f} min"
    return f"{hours:.1f} h" if hours < 100 else f"{hours / 24:.1f} days"


def estimate_lines(
    costs: Sequence[StageCost],
    plan: Plan,
    corpus: Corpus,
    assumptions: Sequence[str],
    cached: Sequence[StageCost] = (),
) -> list[str]:
    """Return the lines of an estimate.

    Args:
        costs: Costs of the stages that would run.
        plan: What would be done.
        corpus: Description of the audio.
        assumptions: The assumptions made, a line each.
        cached: Stage 5 as it would be with a teacher cache.
    """
    lines = ["Dry run: nothing is started. Assumed (override what is wrong):"]
    lines += [f"  {line}" for line in assumptions]
    lines.append(f"  reference: {_model(plan.reference)}")
    lines += [f"  {name}: {_model(model)}" for name, model in plan.models.items()]
    lines += ["", "stage                        hours     disk      reads     pace"]
    for cost in costs:
        lines.append(
            f"{cost.stage:2d} {cost.name:24s} {_hours(cost.hours):>9s} "
            f"{amount(cost.num_bytes):>9s} {amount(cost.read_bytes):>9s}   {cost.limit}"
        )
    hours = sum(cost.hours for cost in costs)
    disk = sum(cost.num_bytes for cost in costs)
    lines.append(f"   {'together':24s} {_hours(hours):>9s} {amount(disk):>9s}")
    if cached:
        hours = sum(cost.hours for cost in cached)
        disk = sum(cost.num_bytes for cost in cached)
        taken = f"{_hours(hours)}, {amount(disk)}"
        lines.append(f"   stage 5 with --teacher_cache: {taken}")
    lines.append(
        "Not in it: start-up of processes, validation, memory, downloads (stage 1)."
    )
    return lines


def _model(model) -> str:
    return (
        f"{model.params / 1e6:.1f} M weights, {model.train / 3600 / 1e9:.1f} GFLOP a "
        f"second of audio to train, {model.forward / 3600 / 1e9:.1f} to run"
    )
