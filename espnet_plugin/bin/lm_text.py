"""Stage 3 of the language model recipe: write its text in the recogniser's tokens."""

import argparse
import sys
from pathlib import Path

from espnet_plugin.bin.arguments import of_recipe
from espnet_plugin.bin.run import run_command
from espnet_plugin.errors import UserError
from espnet_plugin.exact_parser import ExactParser
from espnet_plugin.jobs.lm_text import Tokens, prepare_text, recogniser_tokens


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = ExactParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("--output_dir", type=Path, required=True, help="folder for the text")
    add(
        "--train_text",
        type=Path,
        nargs="+",
        required=True,
        help="Kaldi text files to train on: the transcripts, and any further texts",
    )
    add(
        "--valid_text", type=Path, required=True, help="text on which epochs are chosen"
    )
    add(
        "--test_text",
        nargs="*",
        default=[],
        metavar="NAME=FILE",
        help="texts on which perplexity is measured",
    )
    add("--asr_exp", type=Path, help="folder of a recogniser, whose tokens are used")
    add(
        "--token_list",
        type=Path,
        help="file with one token per line, if --asr_exp is not given",
    )
    add("--token_type", **of_recipe("token_type", choices=["char", "bpe", "word"]))
    add("--bpemodel", type=Path, help="SentencePiece model, for token type bpe")
    add(
        "--nlsyms",
        type=Path,
        help="file of symbols that are tokens of their own, one per line",
    )
    return parser


def prepare(args: argparse.Namespace) -> None:
    """Write the text of each set."""
    if (args.asr_exp is None) == (args.token_list is None):
        raise UserError("no tokens are given: give either --asr_exp or --token_list")
    tests = {}
    for pair in args.test_text:
        name, equals, path = pair.partition("=")
        if not equals or not name.isidentifier():
            raise UserError(
                f"--test_text {pair}: must be NAME=FILE, e.g. test=test/text"
            )
        tests[name] = Path(path)
    if args.asr_exp is not None:
        tokens = recogniser_tokens(args.asr_exp, args.output_dir)
    else:
        tokens = Tokens(args.token_list, args.token_type, args.bpemodel, args.nlsyms)
    prepare_text(args.output_dir, tokens, args.train_text, args.valid_text, tests)


def main(cmd=None) -> int:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    return run_command(lambda: prepare(args))


if __name__ == "__main__":
    sys.exit(main())
