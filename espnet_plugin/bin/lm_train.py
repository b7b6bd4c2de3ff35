"""Stage 4 of the language model recipe: train the dense model with ESPnet's LM task.

Options that this command does not know are passed to ESPnet's training.
"""

import argparse
import sys
from pathlib import Path

from espnet_plugin.bin.arguments import of_recipe, whole
from espnet_plugin.bin.run import run_command
from espnet_plugin.exact_parser import ExactParser
from espnet_plugin.jobs.lm_text import LMText
from espnet_plugin.jobs.lm_train import LMTraining, train_dense
from espnet_plugin.yaml_files import read_yaml

__all__ = ["add_training_options", "read_training"]


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that all trainings of language models share."""
    add = parser.add_argument
    add("--config", type=Path, required=True, help="training configuration")
    add("--text_dir", type=Path, required=True, help="folder that stage 3 wrote")
    add(
        "--exp_dir",
        type=Path,
        required=True,
        help="folder in which lm_<row>_s<seed> is made",
    )
    add("--seed", **of_recipe("seed"))
    add(
        "--max_epoch",
        type=whole(1),
        help="epochs of the large model, instead of the configuration's",
    )


def read_training(
    args: argparse.Namespace, options: list[str], fine_tuning: dict
) -> LMTraining:
    """Return the settings that all trainings share, from the options."""
    config = read_yaml(args.config)
    if args.max_epoch is not None:
        config["max_epoch"] = args.max_epoch
    return LMTraining(
        args.exp_dir, LMText(args.text_dir), config, fine_tuning, args.seed, options
    )


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = ExactParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add_training_options(parser)
    return parser


def main(cmd=None) -> int:
    """Run the command."""
    args, options = get_parser().parse_known_args(cmd)
    return run_command(lambda: train_dense(read_training(args, options, {})))


if __name__ == "__main__":
    sys.exit(main())
