"""Format an estimate as text with a table."""

from typing import Sequence

from espnet_plugin.estimate.corpus import FoundCorpus
from espnet_plugin.estimate.device_speed import DeviceSpeed
from espnet_plugin.estimate.duration import hours_in_words, significant
from espnet_plugin.estimate.plan import Corpus, Hardware, Plan, StageCost

__all__ = ["amount", "assumption_lines", "estimate_lines"]

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def amount(num_bytes: float) -> str:
    """Return bytes with a unit, e.g. ``1.2 GB``."""
    unit = 0
    while num_bytes >= 1000 and unit < len(_UNITS) - 1:
        num_bytes, unit = num_bytes / 1000, unit + 1
    return f"{num_bytes:.3g} {_UNITS[unit]}"


def assumption_lines(
    found: FoundCorpus, hardware: Hardware, speed: DeviceSpeed, gpu: bool
) -> list[str]:
    """Return sentences on the assumptions of an estimate and their sources.

    Args:
        found: Amounts of audio.
        hardware: Rates of the hardware.
        speed: Speed of the devices.
        gpu: Whether the devices are GPUs.
    """
    corpus = found.corpus
    return [
        f"{significant(corpus.hours)} h of training audio ({found.source}), "
        f"{significant(corpus.epoch_hours)} h with speeds "
        f"{' '.join(f'{s:g}' for s in corpus.speeds)}",
        f"utterances of {significant(corpus.utterance_seconds)} s "
        f"({found.length_source})",
        f"{significant(corpus.eval_hours)} h to decode with each model "
        f"({found.eval_source})",
        f"{_count(hardware.devices, 'GPU' if gpu else 'CPU process')}, "
        f"{speed.flops_per_second / 1e12:.3g} TFLOP/s each in training "
        f"({speed.source})",
        f"stage 2: {_count(hardware.processes, 'process')}, each checks "
        f"{hardware.read_rate:g} h of audio in an hour (--read_rate) and writes "
        f"{hardware.write_rate:g} h (--write_rate)",
        f"stage 3: {hardware.stats_rate:g} h of audio in an hour (--stats_rate)",
        f"training: {_count(hardware.loaders, 'loading process')} for each "
        f"device, each reads {hardware.load_rate:g} h of audio in an hour "
        "(--load_rate)",
        "each baseline that is trained takes as long as training from scratch",
    ]


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
        plan: Models and epochs of the stages.
        corpus: Amounts of audio.
        assumptions: Lines on the assumptions.
        cached: Costs of stage 5 with a teacher cache.
    """
    lines = [
        "Dry run: nothing is started. Assumptions, and the options that change them "
        "(write them as",
        '--estimate_opts "--name value"; more of them: python -m '
        "espnet_plugin.bin.estimate --help):",
    ]
    lines += [f"  {line}" for line in assumptions]
    lines.append(f"  reference: {_model(plan.reference)}")
    lines += [f"  {name}: {_model(model)}" for name, model in plan.models.items()]
    lines += ["", "stage                         time      disk     reads   limited by"]
    for cost in costs:
        if cost.finished:
            lines.append(f"{cost.stage:2d} {cost.name:24s}  finished")
            continue
        lines.append(
            f"{cost.stage:2d} {cost.name:24s} {hours_in_words(cost.hours):>9s} "
            f"{amount(cost.num_bytes):>9s} {amount(cost.read_bytes):>9s}   {cost.limit}"
        )
    left = [cost for cost in costs if not cost.finished]
    hours = sum(cost.hours for cost in left)
    disk = sum(cost.num_bytes for cost in left)
    name = "in total" if len(left) == len(costs) else "in total, unfinished"
    lines.append(f"   {name:24s} {hours_in_words(hours):>9s} {amount(disk):>9s}")
    if cached:
        hours = sum(cost.hours for cost in cached)
        disk = sum(cost.num_bytes for cost in cached)
        taken = f"{hours_in_words(hours)}, {amount(disk)}"
        lines.append(f"   stage 5 with --teacher_cache FOLDER: {taken}")
    lines += [
        "Not included: start-up of processes, validation, memory, downloads (stage 1), "
        "audio of",
        "--unlabelled_sets, the report (stage 9), the export (stage 10).",
    ]
    return lines


def _count(number: int, what: str) -> str:
    """Return a number of things, e.g. ``1 process`` or ``2 processes``."""
    if number == 1:
        return f"1 {what}"
    return f"{number} {what}{'es' if what.endswith('s') else 's'}"


def _model(model) -> str:
    return (
        f"{significant(model.params / 1e6)} M weights, "
        f"{significant(model.train / 3600 / 1e9)} GFLOP per second of audio in "
        f"training, {significant(model.forward / 3600 / 1e9)} in recognition"
    )
