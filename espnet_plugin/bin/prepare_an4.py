"""Make Kaldi data folders from the CMU Census (AN4) corpus.

Reads the original folders (``etc/an4_{train,test}.{fileids,transcription}``, ``wav/``)
with audio as SPHERE (the original) or FLAC. The test set is the official one. The
development set has all utterances of some training *speakers*, so that, like the test
set, it measures unseen voices.
"""

import argparse
import sys
from pathlib import Path

from espnet_plugin.bin.arguments import whole
from espnet_plugin.bin.run import run_command
from espnet_plugin.corpora.an4 import prepare_an4
from espnet_plugin.exact_parser import ExactParser

__all__ = ["get_parser", "main"]


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = ExactParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "--an4", type=Path, required=True, help="the unpacked corpus (etc/ and wav/)"
    )
    parser.add_argument("--output_dir", type=Path, default=Path("data"))
    parser.add_argument(
        "--dev_speakers",
        type=whole(1),
        default=8,
        help="training speakers held out for dev",
    )
    parser.add_argument(
        "--transcribed_speakers",
        type=whole(0),
        default=0,
        help="number of training speakers whose transcripts are kept: makes two more "
        "sets, train_transcribed with their utterances, and train_untranscribed with "
        "the audio of all others; 0: do not make these sets",
    )
    return parser


def main(cmd=None) -> int:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    return run_command(
        lambda: prepare_an4(
            args.an4, args.output_dir, args.dev_speakers, args.transcribed_speakers
        )
    )


if __name__ == "__main__":
    sys.exit(main())
