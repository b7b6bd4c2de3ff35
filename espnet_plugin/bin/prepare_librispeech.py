"""Stage 1 of the LibriSpeech recipes: make Kaldi data folders from the corpus."""

import argparse
import sys
from pathlib import Path

from espnet_plugin.bin.run import run_command
from espnet_plugin.corpora.librispeech import parse_sets, prepare_librispeech
from espnet_plugin.exact_parser import ExactParser

__all__ = ["get_parser", "main"]


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = ExactParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add(
        "--librispeech",
        type=_folder,
        help="folder of the unpacked corpus; missing parts are downloaded; if it is "
        "not given, the whole corpus is downloaded",
    )
    add(
        "--sets",
        nargs="+",
        required=True,
        help="the sets to make and their parts, e.g. dev=dev-clean+dev-other",
    )
    add("--output_dir", type=Path, default=Path("data"))
    add("--download_dir", type=Path, default=Path("downloads"))
    add(
        "--allow_incomplete",
        choices=["true", "false"],
        default="false",
        help="accept a public part in which utterances are missing",
    )
    return parser


def _folder(value: str):
    return Path(value) if value else None


def main(cmd=None) -> int:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    return run_command(
        lambda: prepare_librispeech(
            args.librispeech,
            args.output_dir,
            parse_sets(args.sets),
            args.download_dir,
            args.allow_incomplete == "true",
        )
    )


if __name__ == "__main__":
    sys.exit(main())
