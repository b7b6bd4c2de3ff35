#!/usr/bin/env python3
"""Download CMU AN4 (SPHERE, 64 MB) and unpack it.

The addresses are those of ESPnet's own AN4 recipe: the university's, then a copy that
ESPnet keeps. A finished download is not repeated, an interrupted one goes on.
"""

import argparse
import logging
import sys
from pathlib import Path
from typing import Sequence

from espnet_plugin.bin.run import run_command
from espnet_plugin.corpora.archive import DamagedArchive, fetch, unpack
from espnet_plugin.errors import UserError

__all__ = ["URLS", "download", "get_parser", "main"]

URLS = (
    "http://www.speech.cs.cmu.edu/databases/an4/an4_sphere.tar.gz",
    "https://huggingface.co/datasets/espnet/an4/resolve/main/an4_sphere.tar.gz",
)


def download(folder: Path, urls: Sequence[str] = URLS) -> Path:
    """Make ``folder/an4`` from the first address that serves the archive.

    Returns:
        The unpacked corpus.

    Raises:
        UserError: If no address does, with what each said and the way without network.
    """
    corpus = folder / "an4"
    if corpus.is_dir():
        logging.info("%s is there already", corpus)
        return corpus
    problems = []
    for number, url in enumerate(urls):
        # A file an address, because a part can only be completed from where it began.
        archive = folder / f"{number}_{url.rsplit('/', 1)[-1]}"
        try:
            if not archive.is_file():
                fetch(url, archive)
            unpack(archive, corpus, "an4")
            return corpus
        except UserError as error:
            logging.warning("%s", error)
            problems.append(str(error))
            if isinstance(error, DamagedArchive):
                archive.unlink()
    raise UserError(
        "AN4 was not downloaded:\n  "
        + "\n  ".join(problems)
        + "\nRun it again where there is a network, or name the unpacked corpus (the "
        'folder that holds etc/ and wav/): ./run.sh --local_data_opts "--an4 DIR", or '
        "AN4=DIR in db.sh"
    )


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--download_dir", type=Path, default=Path("downloads"))
    parser.add_argument(
        "--url", nargs="+", default=list(URLS), help="addresses, tried in this order"
    )
    return parser


def main(cmd=None) -> int:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    return run_command(lambda: download(args.download_dir, args.url))


if __name__ == "__main__":
    sys.exit(main())
