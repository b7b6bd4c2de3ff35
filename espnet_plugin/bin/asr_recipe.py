"""Find the data, statistics and best experiment of a finished ESPnet recipe.

The recipe is only read. ``./run.sh --asr_recipe`` runs this before its stages.
"""

import argparse
import logging
import sys
from pathlib import Path

from espnet_plugin.bin.arguments import of_recipe
from espnet_plugin.bin.run import run_command
from espnet_plugin.exact_parser import ExactParser

_RECIPE = "folder of the ESPnet recipe, e.g. egs2/tedlium2/asr1"


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = ExactParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("--asr_recipe", type=Path, required=True, help=_RECIPE)
    add("--output_dir", type=Path, default=Path("exp/asr_recipe"))
    add("--recipe_exp", **of_recipe("recipe_exp"))
    add("--reference_model_file", **of_recipe("reference_model_file"))
    add("--recipe_train_set", **of_recipe("recipe_train_set"))
    add("--recipe_valid_set", **of_recipe("recipe_valid_set"))
    # None, not an empty list: all that there are.
    several = {"nargs": "+", "default": None}
    add("--recipe_test_sets", **of_recipe("recipe_test_sets", **several))
    for name in ("recipe_dump", "recipe_stats", "recipe_token_list"):
        add(f"--{name}", **of_recipe(name, type=Path))
    return parser


def find_and_import(args: argparse.Namespace) -> None:
    """Find the parts of the recipe, log them, and link them into this recipe."""
    from espnet_plugin.recipe.best_experiment import earlier_choice
    from espnet_plugin.recipe.import_recipe import import_recipe
    from espnet_plugin.recipe.stock import Overrides, find_recipe

    recipe = find_recipe(
        args.asr_recipe,
        Overrides(
            experiment=args.recipe_exp
            or earlier_choice(args.asr_recipe, args.output_dir),
            model_file=args.reference_model_file,
            train_set=args.recipe_train_set,
            valid_set=args.recipe_valid_set,
            test_sets=args.recipe_test_sets,
            dump=args.recipe_dump,
            stats=args.recipe_stats,
            token_list=args.recipe_token_list,
        ),
    )
    logging.info("The recipe in %s has:", recipe.folder)
    for line in recipe.describe():
        logging.info("  %s", line)
    import_recipe(recipe, args.output_dir)


def main(cmd=None) -> int:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    return run_command(lambda: find_and_import(args))


if __name__ == "__main__":
    sys.exit(main())
