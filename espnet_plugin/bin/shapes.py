"""Sizes of small models: which fit a budget, and whether those named are possible.

python -m espnet_plugin.bin.shapes --reference exp/asr_reference --budget "1.5M 0.6M"
python -m espnet_plugin.bin.shapes --reference exp/asr_reference --budget 70MMAC/s
"""

import argparse
import sys
from pathlib import Path

from espnet_plugin.bin.reference_option import add_reference_options, read_reference
from espnet_plugin.bin.run import run_command
from espnet_plugin.errors import UserError
from espnet_plugin.shape import Heads, check_shapes, shape_option
from espnet_plugin.yaml_files import read_yaml


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add_reference_options(parser)
    add(
        "--check",
        type=shape_option,
        nargs="+",
        metavar="SIZE",
        help="only print these sizes, without widths that are the reference's",
    )
    add("--encrl_config", type=Path, help="of stage 5, if it says what students are")
    return parser


def run(args: argparse.Namespace) -> None:
    """Do what is asked for."""
    files = read_reference(args, trained=False)
    if files is None:
        raise UserError(
            "--reference is needed: the folder of the model whose shapes are meant, or "
            "--reference_config with its training configuration"
        )
    reference = read_yaml(files.config, "--reference")
    encrl = {} if args.encrl_config is None else read_yaml(args.encrl_config)
    checked = check_shapes(args.check, Heads.of(reference, encrl))
    print(*checked)


def main(cmd=None) -> int:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    return run_command(lambda: run(args))


if __name__ == "__main__":
    sys.exit(main())
