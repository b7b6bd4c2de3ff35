"""Stage 7: decode, score and time finished models, in one process."""

import argparse
import logging
import sys
from contextlib import nullcontext
from pathlib import Path

from espnet2.utils.types import str2bool

from espnet_plugin.bin.arguments import of_recipe
from espnet_plugin.bin.run import run_command
from espnet_plugin.decode.run import METHODS
from espnet_plugin.errors import UserError
from espnet_plugin.exact_parser import ExactParser
from espnet_plugin.files import locked
from espnet_plugin.jobs.evaluate import evaluate_model, measure_speed
from espnet_plugin.writable import check_writable


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = ExactParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add(
        "model_dirs",
        nargs="+",
        type=Path,
        help="folders of finished models (with meta.json); with --only_rtf any "
        "ESPnet experiments",
    )
    add(
        "--dump_dir",
        type=Path,
        help="dump folder that stage 2 wrote; not needed with --only_rtf",
    )
    add("--sets", nargs="*", default=["dev", "test"])
    add("--decoding", **of_recipe("decoding", choices=METHODS))
    add("--num_threads", **of_recipe("num_threads"))
    add("--ngpu", **of_recipe("ngpu"))
    add("--nj", **of_recipe("decode_nj"))
    add("--only_rtf", type=str2bool, default=False, help="only measure the speed again")
    return parser


def evaluate(args: argparse.Namespace) -> None:
    """Decode, score and time the models."""
    if args.dump_dir is None and not args.only_rtf:
        raise UserError(
            "--dump_dir is missing: give the folder into which stage 2 wrote the sets"
        )
    for folder in args.model_dirs:
        logging.info("evaluating %s", folder)
        if args.only_rtf:
            check_writable(folder, "")
            measure_speed(folder, overwrite=True)
            continue
        # Parallel jobs share the reference; the second one finds the results of the
        # first.
        with locked(folder) if folder.is_dir() else nullcontext():
            evaluate_model(
                folder,
                args.dump_dir,
                args.sets,
                args.decoding,
                args.num_threads,
                args.ngpu,
                args.nj,
            )
            measure_speed(folder)


def main(cmd=None) -> int:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    return run_command(lambda: evaluate(args))


if __name__ == "__main__":
    sys.exit(main())
