"""Stage 7 of the language model recipe: measure word error rates with each model."""

import argparse
import sys
from pathlib import Path

from espnet_plugin.bin.arguments import number, of_recipe
from espnet_plugin.bin.lm_models import (
    MODELS_FOLDER,
    chosen_models,
    lm_seeds,
    text_option,
)
from espnet_plugin.bin.run import run_command
from espnet_plugin.exact_parser import ExactParser
from espnet_plugin.jobs.lm_decode import LMDecoding, check_recogniser, decode_with_lm
from espnet_plugin.lm.table import NO_LM
from espnet_plugin.recipe.options.lmprune import LmpruneOptions


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = ExactParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("--exp_dir", **MODELS_FOLDER)
    add("--text_dir", **text_option())
    add("--asr_exp", type=Path, required=True, help="folder of the recogniser")
    add(
        "--dump_dir",
        type=Path,
        required=True,
        help="folder into which stage 2 wrote the audio",
    )
    add(
        "--dev_set",
        default="dev",
        help="set on which the weight of the language model is chosen",
    )
    add("--test_set", default="test", help="set on which the error rate is measured")
    add(
        "--lm_weights",
        type=number(0.0, 10.0, above=True),
        nargs="+",
        default=[float(one) for one in LmpruneOptions.lm_weights],
        help="weights of the language model to choose from",
    )
    add("--beam", **of_recipe("beam", LmpruneOptions))
    add("--seeds", **lm_seeds("decode"))
    return parser


def decode(args: argparse.Namespace) -> None:
    """Decode with each model."""
    folders = chosen_models(args)
    job = LMDecoding(
        args.asr_exp,
        args.dump_dir,
        args.dev_set,
        args.test_set,
        args.lm_weights,
        args.beam,
    )
    for folder in folders:
        check_recogniser(job.recogniser, folder)
    decode_with_lm(job, None, args.exp_dir / NO_LM)
    for folder in folders:
        decode_with_lm(job, folder, folder)


def main(cmd=None) -> int:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    return run_command(lambda: decode(args))


if __name__ == "__main__":
    sys.exit(main())
