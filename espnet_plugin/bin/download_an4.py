"""Download CMU AN4 (SPHERE, 64 MB) and unpack it.

The addresses are those of ESPnet's own AN4 recipe: the university's, then a copy that
ESPnet keeps. A finished download is not repeated, an interrupted one is resumed.
"""

import argparse
import sys
from pathlib import Path

from espnet_plugin.bin.run import run_command
from espnet_plugin.corpora.an4 import URLS, download_an4
from espnet_plugin.exact_parser import ExactParser

__all__ = ["get_parser", "main"]


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = ExactParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--download_dir", type=Path, default=Path("downloads"))
    parser.add_argument(
        "--url",
        nargs="+",
        default=list(URLS),
        help="addresses of the archive, tried in this order",
    )
    return parser


def main(cmd=None) -> int:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    return run_command(lambda: download_an4(args.download_dir, args.url))


if __name__ == "__main__":
    sys.exit(main())
