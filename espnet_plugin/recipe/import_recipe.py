"""Check the parts of a finished ESPnet recipe and link them into this recipe."""

import logging
import shlex
from pathlib import Path
from typing import Any, Mapping, Optional

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.files import locked, read_pairs, read_record, write_json, write_lines
from espnet_plugin.recipe.best_experiment import DONE
from espnet_plugin.recipe.checks import check_bpe, check_statistics, compare_tokens
from espnet_plugin.recipe.stock import PARTS, StockRecipe
from espnet_plugin.recipe.tables import OTHER_TABLES, link_set

__all__ = ["import_recipe"]

_FOUND = "found.sh"


def import_recipe(recipe: StockRecipe, output_dir: Path) -> None:
    """Check the parts of a recipe against each other and link them into this recipe.

    Nothing is done if the same files have been imported before.

    Args:
        recipe: The parts that :func:`~espnet_plugin.recipe.stock.find_recipe` has
            found.
        output_dir: Receives ``dump/<set>``, ``stats/{train,valid}`` and ``found.sh``,
            which ``recipe/layout.py`` reads.

    Raises:
        UserError: If files are missing, or the tokens or statistics are not those of
            the model.
    """
    with locked(output_dir):  # only one of several parallel jobs imports
        stamp, done = _stamp(recipe), output_dir / DONE
        if read_record(done) == stamp and _is_whole(recipe, output_dir):
            logging.info("%s: already imported", output_dir)
            return
        done.unlink(missing_ok=True)
        _import_recipe(recipe, output_dir)
        write_json(done, stamp)


def _is_whole(recipe: StockRecipe, output_dir: Path) -> bool:
    """Return whether no file of an import is missing or empty, as after a power cut."""
    files = [output_dir / "found.sh"]
    files += [output_dir / "stats" / part / "speech_shape" for part in PARTS]
    for item in (recipe.train, recipe.valid, *recipe.tests):
        folder = output_dir / "dump" / item.name
        files += [folder / item.scp.name, folder / "text", folder / "feats_type"]
    return all(file.is_file() and file.stat().st_size > 0 for file in files)


def _stamp(recipe: StockRecipe) -> dict[str, Any]:
    """Return sizes and times of the files, by which changes are noticed."""
    experiment = recipe.experiment
    sets = (recipe.train, recipe.valid, *recipe.tests)
    files = [Experiment(experiment.folder).config_file, experiment.checkpoint]
    files += [recipe.stats / part / "speech_shape" for part in PARTS]
    files += [path for item in sets for path in (item.scp, item.text)]
    files += [item.scp.parent / name for item in sets for name in OTHER_TABLES]
    files += [recipe.token_list] if recipe.token_list else []
    # Compared with the model's below.
    named = (experiment.config.get("bpemodel"), _stats_file(experiment.config))
    files += [recipe.folder / str(name) for name in named if name]
    states = [path.stat() if path.is_file() else None for path in files]
    return {
        "folder": str(recipe.folder),
        "experiment": str(experiment.folder),
        "files": [str(path) for path in files],
        "states": [
            [one.st_size, one.st_mtime_ns] if one is not None else None
            for one in states
        ],
        "found": recipe.describe(),
    }


def _import_recipe(recipe: StockRecipe, output_dir: Path) -> None:
    _check_model(recipe)
    for part, item in zip(PARTS, (recipe.train, recipe.valid)):
        shapes = recipe.stats / part / "speech_shape"
        count = link_set(
            item,
            recipe.folder,
            output_dir / "dump" / item.name,
            _lengths(shapes),
        )
        logging.info("%s: %d utterances", item.name, count)
        link = output_dir / "stats" / part / "speech_shape"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(shapes)
    for item in recipe.tests:
        count = link_set(item, recipe.folder, output_dir / "dump" / item.name)
        logging.info("%s: %d utterances", item.name, count)
    write_lines(output_dir / "stats" / ".done", [])
    values = {
        "reference": recipe.experiment.folder,
        "reference_model_file": recipe.experiment.checkpoint.name,
        "dump": output_dir / "dump",
        "stats": output_dir / "stats",
        "train_set": recipe.train.name,
        "dump_train": recipe.train.name,
        "valid_set": recipe.valid.name,
        "test_sets": " ".join(item.name for item in recipe.tests),
        "scp": recipe.train.scp.name,
        "type": recipe.train.kind,
    }
    lines = (f"{name}={shlex.quote(str(value))}" for name, value in values.items())
    write_lines(output_dir / _FOUND, lines)


def _lengths(shapes: Path) -> dict[str, str]:
    lengths = read_pairs(shapes)
    if not lengths:
        raise UserError(
            f"{shapes} is empty: run stage 10 of that recipe again, or name the folder "
            "of its statistics with --recipe_stats"
        )
    return lengths


def _stats_file(config: Mapping[str, Any]) -> Optional[str]:
    return (config.get("normalize_conf") or {}).get("stats_file")


def _check_model(recipe: StockRecipe) -> None:
    config, folder = recipe.experiment.config, recipe.experiment.folder
    tokens = config["token_list"]
    if recipe.token_list is not None and isinstance(tokens, list):
        compare_tokens(tokens, recipe.token_list, folder)
    bpemodel = config.get("bpemodel")
    if config.get("token_type") == "bpe" and isinstance(tokens, list):
        path = recipe.folder / str(bpemodel)
        if not path.is_file():
            raise UserError(
                f"{folder}/config.yaml: bpemodel: {path} is missing: restore it (stage "
                "5 of that recipe makes it again from the same transcripts)"
            )
        check_bpe(tokens, path)
    stats = _stats_file(config)
    if stats:
        check_statistics(config, recipe.folder / stats, recipe.experiment.checkpoint)
