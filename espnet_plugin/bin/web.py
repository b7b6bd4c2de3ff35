"""Make a static web page that recognises speech with exported models."""

import argparse
import sys
from pathlib import Path

from espnet_plugin.bin.run import run_command
from espnet_plugin.exact_parser import ExactParser
from espnet_plugin.recognise.given_model import check_given_model


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = ExactParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "folders",
        nargs="+",
        type=Path,
        metavar="FOLDER",
        help="experiments, or exported models (--target onnx); experiments that are "
        "not exported yet are exported first",
    )
    parser.add_argument(
        "--output_dir", type=Path, default=Path("web"), help="folder for the page"
    )
    return parser


def make_page(args: argparse.Namespace) -> None:
    """Export models that are not exported yet, then write the page."""
    for folder in args.folders:
        check_given_model(folder)
    # Imported here, because torch and ESPnet take many seconds.
    from espnet_plugin.web.exports import exported
    from espnet_plugin.web.folder import build_page, check_page

    check_page(args.output_dir)
    build_page([exported(folder) for folder in args.folders], args.output_dir)


def main(cmd=None) -> int:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    return run_command(lambda: make_page(args))


if __name__ == "__main__":
    sys.exit(main())
