#!/usr/bin/env python3
"""Gather finished experiments into results.json, tables and plots."""

import argparse
import os
import sys
from pathlib import Path
from typing import Optional, Sequence

from espnet_plugin.bin.run import run_command
from espnet_plugin.evaluate.plots import plot_results
from espnet_plugin.evaluate.results import update_results
from espnet_plugin.evaluate.table import main_table, markdown_block, write_markdown


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Gather finished experiments into results.json, tables and plots.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "exp_dir",
        nargs="*",
        metavar="EXP_DIR",
        help="folders of models and EncRL runs, e.g. exp/asr_* exp/encrl_*; none: "
        "draw again what results.json holds",
    )
    parser.add_argument(
        "--results_json",
        required=True,
        help="made, or extended: a row of the same method, variant, layers and seed is "
        "replaced",
    )
    parser.add_argument("--corpus", help="its name; needed for a new results.json")
    parser.add_argument(
        "--markdown",
        help="where the tables go, between <!-- results:begin --> and "
        "<!-- results:end -->; made if it does not exist",
    )
    parser.add_argument("--plot_dir", help="where the plots go")
    parser.add_argument(
        "--decoding",
        default="best_path",
        help="the scores are those of decode_<decoding>/",
    )
    parser.add_argument("--test_set", default="test", help="name of the test set")
    parser.add_argument("--dev_set", default="dev", help="name of the development set")
    return parser


def make_results(args: argparse.Namespace) -> None:
    """Write all that is asked for; print the main table and the plots' paths."""
    results = update_results(
        args.results_json,
        args.exp_dir,
        args.corpus,
        args.decoding,
        args.test_set,
        args.dev_set,
    )
    table = main_table(results)
    plots = plot_results(results, args.plot_dir) if args.plot_dir else []
    if args.markdown:
        home = Path(args.markdown).resolve().parent
        addresses = [
            (path.stem, Path(os.path.relpath(path.resolve(), home)).as_posix())
            for path in plots
        ]
        write_markdown(args.markdown, markdown_block(results, addresses))
    print(table)
    for path in plots:
        print(path)


def main(cmd: Optional[Sequence[str]] = None) -> int:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    return run_command(lambda: make_results(args))


if __name__ == "__main__":
    sys.exit(main())
