"""Stage 1 of mini_synth: synthesise the corpus, as Kaldi data folders.

Works offline. Speakers of train, dev and test differ. Every utterance depends only on
the seed, its set and its number: if the sizes change, existing utterances stay the
same, and an interrupted run is resumed.
"""

import argparse
import sys
from pathlib import Path

from espnet_plugin.bin.arguments import MOST_SEED, whole
from espnet_plugin.bin.run import run_command
from espnet_plugin.corpora.synthetic.corpus import prepare_synthetic
from espnet_plugin.corpora.synthetic.plan import SPEAKERS
from espnet_plugin.errors import UserError
from espnet_plugin.exact_parser import ExactParser

__all__ = ["get_parser", "main"]


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = ExactParser(
        description="Synthesise a small corpus of spoken commands with espeak-ng",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--output_dir",
        type=Path,
        default=Path("data"),
        help="folder for the sets: {train,dev,test}/",
    )
    parser.add_argument(
        "--wav_dir", type=Path, default=Path("data/wav"), help="folder for the audio"
    )
    for subset, number in ("train", 1000), ("dev", 150), ("test", 400):
        parser.add_argument(
            f"--{subset}_utterances",
            type=whole(1),
            default=number,
            help=f"number of utterances in {subset}",
        )
    parser.add_argument(
        "--seed",
        type=whole(0, MOST_SEED),
        default=0,
        help="seed for sentences and noise",
    )
    return parser


def main(cmd=None) -> int:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    numbers = {subset: getattr(args, f"{subset}_utterances") for subset in SPEAKERS}

    def work() -> None:
        try:
            prepare_synthetic(args.output_dir, args.wav_dir, numbers, args.seed)
        except OSError as error:
            raise UserError(f"the corpus cannot be written: {error}") from error

    return run_command(work)


if __name__ == "__main__":
    sys.exit(main())
