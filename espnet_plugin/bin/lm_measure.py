"""Stage 6 of the language model recipe: measure perplexity, size and speed."""

import argparse
import sys
from pathlib import Path

from espnet_plugin.bin.lm_models import MODELS_FOLDER, chosen_models, lm_seeds
from espnet_plugin.bin.run import run_command
from espnet_plugin.exact_parser import ExactParser
from espnet_plugin.jobs.lm_measure import measure_lm
from espnet_plugin.jobs.lm_text import LMText


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = ExactParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("--exp_dir", **MODELS_FOLDER)
    add("--text_dir", type=Path, required=True, help="folder that stage 3 wrote")
    add(
        "--speed",
        choices=["true", "false"],
        default="false",
        help="also measure the time per token on one thread; this needs a quiet "
        "machine",
    )
    add("--seeds", **lm_seeds("measure"))
    return parser


def measure(args: argparse.Namespace) -> None:
    """Measure each model."""
    for folder in chosen_models(args):
        measure_lm(folder, LMText(args.text_dir), args.speed == "true")


def main(cmd=None) -> int:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    return run_command(lambda: measure(args))


if __name__ == "__main__":
    sys.exit(main())
