"""Stage 5: EncRL pre-training.

Takes every option of ``espnet2.bin.asr_train`` and those of EncRL
(``--student_num_layers``, ``--student_init``...); architecture and tokens come from the
reference: ``--reference FOLDER``, or ``--reference_config`` and
``--reference_model_file``.
"""

import argparse
import sys
from pathlib import Path

from espnet_plugin.bin.arguments import VARIANT_HELP, of_recipe
from espnet_plugin.bin.reference_option import add_reference_options, reference_options
from espnet_plugin.bin.run import run_command
from espnet_plugin.errors import UserError
from espnet_plugin.exact_parser import ExactParser
from espnet_plugin.jobs.encrl import train_encrl
from espnet_plugin.jobs.shaped import shape_options


def get_parser() -> argparse.ArgumentParser:
    """Return the options that this command adds to the task's."""
    parser = ExactParser(description=__doc__, add_help=False)
    add_reference_options(parser)
    _add_own(parser)
    parser.add_argument(
        "--config",
        type=Path,
        required=True,
        help="configuration of the training of the student",
    )
    parser.add_argument(
        "--output_dir", type=Path, required=True, help="folder of the training"
    )
    parser.add_argument("--seed", **of_recipe("seed"))
    return parser


def _add_own(parser: argparse.ArgumentParser) -> None:
    """Add the options that the task does not have."""
    parser.add_argument("--variant", **of_recipe("variant", help=VARIANT_HELP))
    parser.add_argument(
        "--serves",
        **of_recipe(
            "sizes",
            help="numbers of encoder layers of the models that will be made from it; "
            "or a single shape, layers x width (e.g. 4x72), which the student then has",
        ),
    )
    parser.add_argument("--shape_init", **of_recipe("shape_init"))


def train(args: argparse.Namespace, options: list[str]) -> None:
    """Train the student."""
    options = [*reference_options(args), *options]
    shape, *others = args.serves
    if others or shape.width is None:
        wide = [str(one) for one in args.serves if one.width is not None]
        if wide:
            raise UserError(
                f"--serves {' '.join(map(str, args.serves))}: a training can make "
                f"only one model with its own width; train {wide[0]} separately"
            )
        width = None
    else:
        width = shape.width
        options = [*shape_options(shape, args.config, options, args.shape_init)]
    serves = [one.layers for one in args.serves]
    train_encrl(
        args.output_dir, args.config, options, args.seed, args.variant, serves, width
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
