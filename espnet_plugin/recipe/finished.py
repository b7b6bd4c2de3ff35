"""Which stages of an EncRL recipe are finished, according to its files."""

from pathlib import Path

from espnet_plugin.data.last_seen import last_seen
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.recipe.layout import Layout
from espnet_plugin.recipe.trainings import encrl_trainings

__all__ = ["finished_stages"]


def finished_stages(layout: Layout) -> list[int]:
    """Return the numbers of the stages whose results are all there.

    A stage that has made only some of its models does not count as finished. Whether
    inputs have changed since then is not checked.

    Args:
        layout: Files of the recipe. If it has no sizes yet (a budget for which stage 5
            still has to choose them), stages 5 to 8 are not finished.
    """
    options, dump = layout.options, Path(layout.dump)
    sets = [layout.dump_train, options.valid_set, *options.test_sets]
    reference = Experiment(Path(layout.reference_exp))
    found = {
        2: bool(layout.found) or all(last_seen(dump / s) is not None for s in sets),
        3: bool(layout.found) or Path(layout.stats, ".done").is_file(),
        4: reference.meta_file.is_file(),
    }
    if options.sizes:
        models = [Path(folder) for folder in layout.models(layout.student_exp)]
        trainings = encrl_trainings(options)
        runs = [Path(f"{layout.encrl_exp}{one.ending}") for one in trainings]
        baselines = [
            Path(f"{options.expdir}/asr_{name}_s{options.seed}_{size}l")
            for name in options.baselines
            for size in options.sizes
        ]
        decoded = [reference.folder, *models]
        names = [options.valid_set, *options.test_sets]
        found[5] = _finished(runs)
        found[6] = _finished(models)
        found[7] = all(_is_scored(one, name) for one in decoded for name in names)
        found[8] = bool(baselines) and _finished(baselines)
    return [number for number, is_finished in found.items() if is_finished]


def _finished(folders: list[Path]) -> bool:
    return all(Experiment(folder).is_finished for folder in folders)


def _is_scored(model: Path, name: str) -> bool:
    return any(model.glob(f"decode_*/{name}/score.json"))
