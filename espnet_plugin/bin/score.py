#!/usr/bin/env python3
"""Score a recognised text: WER and CER with 95 % intervals, and what went wrong."""

import argparse
import logging
import sys
from pathlib import Path
from typing import Optional, Sequence

from espnet_plugin.bin.arguments import MOST_SEED, whole
from espnet_plugin.bin.run import run_command
from espnet_plugin.exact_parser import ExactParser
from espnet_plugin.score.bootstrap import DEFAULT_RESAMPLES
from espnet_plugin.score.result_text import summary_table, write_score
from espnet_plugin.score.wer import BOOTSTRAP_UNITS, score_files


def get_parser() -> argparse.ArgumentParser:
    parser = ExactParser(
        description="Score a recognised text against its reference.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--ref", required=True, help="reference text, a Kaldi text file"
    )
    parser.add_argument(
        "--hyp", required=True, help="recognised text, a Kaldi text file"
    )
    parser.add_argument(
        "--output_dir",
        required=True,
        help="folder for score.json, score_wer/ and score_cer/; the last part of its "
        "path is the name of the data set in them",
    )
    parser.add_argument(
        "--utt2spk", help="Kaldi utt2spk file: the speaker of each utterance"
    )
    parser.add_argument(
        "--unit_of_bootstrap",
        choices=BOOTSTRAP_UNITS,
        default="utterance",
        help="unit that the bootstrap draws for the interval; speaker needs --utt2spk",
    )
    parser.add_argument(
        "--resamples",
        # More would not change an interval, and take hours.
        type=whole(1, 10**6),
        default=DEFAULT_RESAMPLES,
        help="number of bootstrap samples",
    )
    parser.add_argument(
        "--seed", type=whole(0, MOST_SEED), default=0, help="seed of the bootstrap"
    )
    return parser


def score(args: argparse.Namespace) -> None:
    """Score the text, write the files, and print the summary."""
    scored = score_files(
        args.ref,
        args.hyp,
        args.utt2spk,
        args.unit_of_bootstrap,
        args.resamples,
        args.seed,
    )
    dataset = Path(args.output_dir).resolve().name
    written = write_score(scored, args.output_dir, dataset)
    low, high = scored.wer_ci95
    logging.info(
        "WER %.2f %% (95 %% interval %.2f to %.2f), CER %.2f %%; written: %s",
        scored.words.rate,
        low,
        high,
        scored.chars.rate,
        written,
    )
    print(summary_table(scored, dataset))


def main(cmd: Optional[Sequence[str]] = None) -> int:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    return run_command(lambda: score(args))


if __name__ == "__main__":
    sys.exit(main())
