"""Find the data, statistics and model of a finished ESPnet recipe.

The paths are those of stages 3 to 5, 10 and 11 of ``asr.sh``
(https://github.com/espnet/espnet, egs2/TEMPLATE/asr1/asr.sh, release 202511). The
experiment's ``config.yaml`` names the sets, how they are read, and the statistics. All
paths in it are relative to the folder of the recipe.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Sequence

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.files import read_pairs
from espnet_plugin.recipe.best_experiment import TrainedExperiment, find_experiment
from espnet_plugin.recipe.checks import find_token_list
from espnet_plugin.recipe.tables import DumpSet

__all__ = ["PARTS", "Overrides", "StockRecipe", "find_recipe"]

_KINDS = ("sound", "kaldi_ark", "npy")
PARTS = ("train", "valid")


@dataclass(frozen=True)
class Overrides:
    """Parts of a recipe that the user names; None: the part is found.

    Attributes:
        experiment: Name of the experiment in ``exp``, or its path.
        model_file: Name of the checkpoint.
        train_set: Name of the training set in the dump.
        valid_set: Name of the development set.
        test_sets: Names of the test sets.
        dump: Folder of the sets.
        stats: Folder with ``train/speech_shape`` and ``valid/speech_shape``.
        token_list: The token list that the model was trained with.
    """

    experiment: Optional[str] = None
    model_file: Optional[str] = None
    train_set: Optional[str] = None
    valid_set: Optional[str] = None
    test_sets: Optional[Sequence[str]] = None
    dump: Optional[Path] = None
    stats: Optional[Path] = None
    token_list: Optional[Path] = None


@dataclass(frozen=True)
class StockRecipe:
    """The parts of a finished recipe.

    Attributes:
        folder: Absolute path of the recipe.
        experiment: The experiment that becomes the reference.
        train: Training set.
        valid: Development set.
        tests: Test sets, at least one.
        left_out: Names of sets that are not used, because they look like other versions
            of the training set.
        stats: Folder with ``train/speech_shape`` and ``valid/speech_shape``.
        token_list: Token list of the recipe; None if only ``config.yaml`` has the
            tokens.
    """

    folder: Path
    experiment: TrainedExperiment
    train: DumpSet
    valid: DumpSet
    tests: tuple[DumpSet, ...]
    left_out: tuple[str, ...]
    stats: Path
    token_list: Optional[Path]

    def describe(self) -> list[str]:
        """Return a line for each part, with the option that overrides it."""
        rate = self.experiment.dev_cer
        best = "" if rate is None else f" ({rate:.1f} % CER on dev)"
        own = Experiment(self.experiment.folder).config_file
        tokens = self.token_list or own.name
        config = self.experiment.config
        lines = [
            ("experiment", f"{self.experiment.folder}{best}", "--recipe_exp"),
            ("checkpoint", self.experiment.checkpoint.name, "--reference_model_file"),
            ("sets", self.train.scp.parent.parent, "--recipe_dump"),
            ("training", _shown(self.train), "--recipe_train_set"),
            ("development", _shown(self.valid), "--recipe_valid_set"),
            ("test", ", ".join(map(_shown, self.tests)), "--recipe_test_sets"),
            ("statistics", self.stats, "--recipe_stats"),
            (f"{config.get('token_type')} tokens", tokens, "--recipe_token_list"),
        ]
        if self.left_out:
            lines.append(("left out", ", ".join(self.left_out), "--recipe_test_sets"))
        return [f"{what:12} {value}  [{option}]" for what, value, option in lines]


def _shown(item: DumpSet) -> str:
    return f"{item.name} ({item.scp.name}, {item.kind})"


def find_recipe(folder: Path, wanted: Overrides = Overrides()) -> StockRecipe:
    """Find the parts of a recipe, whose files are only read.

    Args:
        folder: Folder of the recipe.
        wanted: Parts that are named by the user.

    Raises:
        UserError: If the recipe has no finished model, or a part cannot be found.
    """
    root = folder.resolve()
    experiment = find_experiment(root, wanted.experiment, wanted.model_file)
    config = experiment.config
    dump = None if wanted.dump is None else _existing(root, wanted.dump, "recipe_dump")
    stats = _find_stats(root, config, wanted.stats)
    names = {"train": wanted.train_set, "valid": wanted.valid_set}
    sets = {}
    for part in PARTS:
        scp, text, kind = _data_of(experiment, part)
        scp, text = root / scp, root / text
        if any(p.name.startswith("splits") for p in scp.parents):
            scp = _unsplit(root, scp, stats / part / "speech_shape", dump)
            text = scp.parent / "text"
        if dump is not None:
            scp = dump / scp.parent.name / scp.name
            text = scp.parent / text.name
        if names[part] is not None:
            scp = scp.parent.parent / names[part] / scp.name
            text = scp.parent / text.name
        if not scp.is_file():
            raise UserError(
                f"{scp} is missing, although {experiment.folder} was trained on the "
                f"set {scp.parent.name}: bring it back (stages 2 to 4 of that recipe), "
                "or name the folder of the sets with --recipe_dump, or the set with "
                f"--recipe_{part}_set"
            )
        sets[part] = DumpSet(scp.parent.name, scp, text, kind)
    tests, left_out = _find_tests(sets["train"], sets["valid"], wanted.test_sets)
    token_list = wanted.token_list
    if token_list is not None:
        token_list = _existing(root, token_list, "recipe_token_list")
    else:
        token_list = find_token_list(root, config)
    return StockRecipe(
        root,
        experiment,
        sets["train"],
        sets["valid"],
        tests,
        left_out,
        stats,
        token_list,
    )


def _existing(root: Path, path: Path, option: str) -> Path:
    for choice in (root / path, path):
        if choice.exists():
            return choice.resolve()
    raise UserError(
        f"--{option} {path}: neither {root / path} nor {path} exists: correct the path"
    )


def _data_of(experiment: TrainedExperiment, part: str) -> tuple[str, str, str]:
    """Return the list of inputs, the transcripts and how ESPnet reads the inputs."""
    key = f"{part}_data_path_and_name_and_type"
    config_file = Experiment(experiment.folder).config_file
    listed = experiment.config.get(key)
    data = {
        one[1]: (one[0], one[2])
        for one in (listed if isinstance(listed, list) else ())
        if isinstance(one, list) and len(one) == 3
    }
    if "speech" not in data or "text" not in data:
        raise UserError(
            f"{config_file}: {key} does not name speech and text, so the training data "
            "of the model is unknown (it may be a packed model, or one of an old "
            "ESPnet): name another experiment with --recipe_exp, or make data folders "
            "and give this one with --reference instead of --asr_recipe"
        )
    path, kind = data["speech"]
    if kind not in _KINDS:
        raise UserError(
            f"{config_file}: speech has type {kind}, but only {', '.join(_KINDS)} with "
            "one channel are supported: name another experiment with --recipe_exp"
        )
    return path, data["text"][0], kind


def _find_stats(root: Path, config: dict[str, Any], wanted: Optional[Path]) -> Path:
    if wanted is not None:
        stats = _existing(root, wanted, "recipe_stats")
    else:
        # <stats>/train/speech_shape, or <stats>/splits8/speech_shape
        files = config.get("train_shape_file") or ["exp/asr_stats/train/speech_shape"]
        if not isinstance(files, list) or not isinstance(files[0], str):
            raise UserError(
                "config.yaml: train_shape_file names no file: name the folder of the "
                "statistics with --recipe_stats"
            )
        stats = (root / files[0]).parent.parent
    for part in PARTS:
        if not (stats / part / "speech_shape").is_file():
            raise UserError(
                f"{stats}/{part}/speech_shape is missing: run stage 10 of that recipe, "
                "or name the folder of its statistics with --recipe_stats"
            )
    return stats


def _unsplit(root: Path, scp: Path, shapes: Path, dump: Optional[Path]) -> Path:
    """Find the set that ``--num_splits_asr`` has split: it has the same utterances."""
    utterances = read_pairs(shapes).keys()
    lists = dump.glob(f"*/{scp.name}") if dump else root.glob(f"dump/*/*/{scp.name}")
    for path in sorted(lists):
        if read_pairs(path).keys() == utterances:
            return path
    raise UserError(
        f"{scp} is one of several parts, and no set in dump has the utterances of "
        f"{shapes}: name the folder of the sets with --recipe_dump"
    )


def _find_tests(
    train: DumpSet, valid: DumpSet, wanted: Optional[Sequence[str]]
) -> tuple[tuple[DumpSet, ...], tuple[str, ...]]:
    """Return the test sets, and the names of the sets that are not used."""
    dump, scp = train.scp.parent.parent, train.scp.name
    folders = sorted(path.parent for path in dump.glob(f"*/{scp}"))
    names = [one.name for one in folders if (one / "text").is_file()]
    bare = [one.name for one in folders if one.name not in names]
    if wanted is not None:
        missing = [name for name in wanted if name not in names]
        if missing:
            raise UserError(
                f"--recipe_test_sets {' '.join(missing)}: not in {dump}, which has "
                f"{', '.join(names)}"
            )
        chosen, left_out = list(wanted), []
    else:
        # asr.sh adds _sp to a set with perturbed speed; both versions may be there.
        base = train.name.removesuffix("_sp")
        used = {train.name, valid.name}
        left_out = [n for n in names if n.startswith(base) and n not in used]
        chosen = [n for n in names if n not in used and n not in left_out]
    if not chosen:
        raise UserError(
            f"{dump} has no test set besides {train.name} and {valid.name}: run stage "
            "3 of that recipe with --test_sets, or name one with --recipe_test_sets "
            f"(there are: {', '.join(names)}"
            f"{'; without text: ' if bare else ''}{', '.join(bare)})"
        )
    sets = (DumpSet(n, dump / n / scp, dump / n / "text", train.kind) for n in chosen)
    return tuple(sets), tuple(left_out)
