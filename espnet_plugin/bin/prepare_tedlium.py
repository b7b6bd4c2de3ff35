"""Stage 1 of the TED-LIUM recipes: make Kaldi data folders from the original corpus."""

import argparse
import sys
from pathlib import Path

from espnet_plugin.bin.run import run_command
from espnet_plugin.corpora.tedlium import RELEASES, prepare_tedlium
from espnet_plugin.exact_parser import ExactParser

__all__ = ["get_parser", "main"]


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = ExactParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add(
        "--release",
        type=int,
        choices=sorted(RELEASES),
        required=True,
        help="release of TED-LIUM",
    )
    add(
        "--tedlium",
        type=lambda value: Path(value) if value else None,
        help="folder of the unpacked corpus; if it is not given, the corpus is "
        "downloaded",
    )
    add(
        "--data_type",
        choices=["legacy", "speaker-adaptation"],
        default="legacy",
        help="which data sets of release 3 to use",
    )
    add("--output_dir", type=Path, default=Path("data"))
    add("--download_dir", type=Path, default=Path("downloads"))
    add(
        "--allow_incomplete",
        choices=["true", "false"],
        default="false",
        help="accept a corpus in which talks are missing",
    )
    return parser


def main(cmd=None) -> int:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    return run_command(
        lambda: prepare_tedlium(
            args.tedlium,
            args.output_dir,
            args.release,
            args.download_dir,
            args.data_type,
            args.allow_incomplete == "true",
        )
    )


if __name__ == "__main__":
    sys.exit(main())
