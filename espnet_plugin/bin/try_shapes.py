"""Stage 5 with --budget: train several shapes for a short time, and choose the best.

Besides its own options, takes every option of stage 5's training
(``espnet_plugin.bin.encrl_train``). Writes ``shapes.json`` and a folder for each trial
into ``--output_dir``.
"""

import argparse
import sys
from pathlib import Path

from espnet_plugin.bin.arguments import of_recipe
from espnet_plugin.bin.reference_option import add_reference_options, reference_options
from espnet_plugin.bin.run import run_command
from espnet_plugin.errors import UserError
from espnet_plugin.exact_parser import ExactParser
from espnet_plugin.recipe.chosen_shapes import TrialRule
from espnet_plugin.yaml_files import read_yaml


def get_parser() -> argparse.ArgumentParser:
    """Return the command's own options."""
    parser = ExactParser(description=__doc__)
    add = parser.add_argument
    add_reference_options(parser)
    add(
        "--config",
        type=Path,
        required=True,
        help="EncRL configuration for the trial trainings",
    )
    add("--output_dir", type=Path, required=True, help="folder for the trials")
    add("--seed", **of_recipe("seed"))
    for name in ("budget", "trials", "trial_epochs", "shape_init"):
        add(f"--{name}", **of_recipe(name))
    return parser


def run(args: argparse.Namespace, options: list[str]) -> None:
    """Run the trials.

    Raises:
        UserError: If no reference or no budget is given.
    """
    given = [*reference_options(args), *options]
    if "--reference_config" not in given:
        raise UserError(
            "--reference is needed: give the folder of the model that students learn "
            "from"
        )
    if not args.budget:
        raise UserError(
            "--budget is needed: give one or more limits, e.g. 1.5M 0.6M, or 70MMAC/s"
        )
    reference = read_yaml(Path(given[given.index("--reference_config") + 1]))
    from espnet_plugin.recipe.shape_trials import choose_shapes

    choose_shapes(
        args.output_dir,
        TrialRule(tuple(args.budget), args.trials, args.trial_epochs),
        args.config,
        given,
        reference,
        args.seed,
        args.shape_init,
    )


def main(cmd=None) -> int:
    """Run the command."""
    args, options = get_parser().parse_known_args(cmd)
    return run_command(lambda: run(args, options))


if __name__ == "__main__":
    sys.exit(main())
