"""Stage 8 of the language model recipe: write the table of its models."""

import argparse
import sys
from pathlib import Path

from espnet_plugin.bin.lm_models import MODELS_FOLDER, lm_text, text_option
from espnet_plugin.bin.run import run_command
from espnet_plugin.errors import UserError
from espnet_plugin.exact_parser import ExactParser
from espnet_plugin.files import read_json, write_json, write_text
from espnet_plugin.jobs.lm_current import (
    check_decoded,
    check_measured_now,
    why_left_out,
)
from espnet_plugin.lm.record import Decoded, find_models
from espnet_plugin.lm.table import (
    NO_LM,
    TABLE_START,
    check_measured,
    collect,
    compare,
    markdown,
    to_json,
)


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = ExactParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("--exp_dir", **MODELS_FOLDER)
    add("--text_dir", **text_option())
    add("--test_set", default="test", help="set whose perplexities are shown")
    add("--markdown", type=Path, required=True, help="file for the table")
    add(
        "--results_json",
        type=Path,
        required=True,
        help="file for the figures behind it",
    )
    return parser


def report(args: argparse.Namespace) -> None:
    """Write the table and the figures.

    Raises:
        UserError: If a file exists that is not one of an earlier run.
    """
    _check_replaceable(args.markdown, args.results_json)
    text = lm_text(args)
    why = why_left_out(args.exp_dir, text)
    rows = collect(args.exp_dir, why)
    check_measured(rows, args.test_set)
    folders = [one for one in find_models(args.exp_dir) if one not in why]
    check_measured_now(folders, text)
    check_decoded(args.exp_dir, folders, args.test_set)
    pairs = compare(rows, args.test_set)
    without = Decoded.find(args.exp_dir / NO_LM)
    table = markdown(rows, pairs, args.test_set, without, why)
    write_text(args.markdown, table)
    write_json(args.results_json, to_json(rows, pairs))


def _check_replaceable(table: Path, figures: Path) -> None:
    """Refuse to overwrite what is not an earlier table of language models.

    Raises:
        UserError: Naming the option, the file and the way out.
    """
    way_out = "give another file (in a recipe --results and --results_json)"
    if table.is_file():
        text = table.read_text(encoding="utf-8", errors="replace")
        if text.strip() and not text.startswith(TABLE_START):
            raise UserError(
                f"--markdown {table}: does not begin with a table of language models, "
                f"and would be overwritten: {way_out}"
            )
    if figures.is_file() and figures.stat().st_size:
        content = read_json(figures)
        if not isinstance(content, dict) or "models" not in content:
            raise UserError(
                f"--results_json {figures}: has no list named 'models', so it is not "
                f"of language models, and would be overwritten: {way_out}"
            )


def main(cmd=None) -> int:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    return run_command(lambda: report(args))


if __name__ == "__main__":
    sys.exit(main())
