"""Stage 5: EncRL pre-training.

Takes every option of ``espnet2.bin.asr_train`` and those of EncRL
(``--student_num_layers``, ``--student_init``...); architecture and tokens come from the
reference: ``--reference FOLDER``, or ``--reference_config`` and
``--reference_model_file``.
"""

import argparse
import sys
from pathlib import Path

from espnet_plugin.bin.arguments import MOST_SEED, text, whole
from espnet_plugin.bin.reference_option import add_reference_options, reference_options
from espnet_plugin.bin.run import run_command
from espnet_plugin.jobs.encrl import train_encrl


def get_parser() -> argparse.ArgumentParser:
    """Return the options that this command adds to the task's."""
    parser = argparse.ArgumentParser(
        description=__doc__, add_help=False, allow_abbrev=False
    )
    add_reference_options(parser)
    _add_own(parser)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--output_dir", type=Path, required=True)
    parser.add_argument("--seed", type=whole(0, MOST_SEED), default=1)
    return parser


def _add_own(parser: argparse.ArgumentParser) -> None:
    """Add the options that the task does not have."""
    parser.add_argument(
        "--variant", type=text(), default="", help="its name in the tables"
    )
    parser.add_argument(
        "--serves",
        type=whole(1, 1000),
        nargs="+",
        default=[6, 4, 2],
        help="encoder layers of the models that are made of it",
    )


def train(args: argparse.Namespace, options: list[str]) -> None:
    """Do the stage."""
    options = [*reference_options(args), *options]
    train_encrl(
        args.output_dir, args.config, options, args.seed, args.variant, args.serves
    )


def main(cmd=None) -> int:
    """Run the command."""
    cmd = sys.argv[1:] if cmd is None else cmd
    if "--help" in cmd or "-h" in cmd:
        from espnet_plugin.tasks.encrl import EncRLTask

        parser = EncRLTask.get_parser()
        add_reference_options(parser, pair=False)
        _add_own(parser)
        parser.print_help()
        return 0
    args, options = get_parser().parse_known_args(cmd)
    return run_command(lambda: train(args, options))


if __name__ == "__main__":
    sys.exit(main())
