#!/usr/bin/env python3
"""Compare finished experiments: tables with intervals, plots, one HTML page."""

import argparse
import logging
import sys
from pathlib import Path
from typing import Optional, Sequence

from espnet_plugin.bin.run import run_command
from espnet_plugin.exact_parser import ExactParser
from espnet_plugin.report.html import write_html
from espnet_plugin.report.markdown import markdown_block, write_markdown
from espnet_plugin.report.plots.choice import choose
from espnet_plugin.report.summary import size_sentences
from espnet_plugin.report.tables import cost_table, quality_table
from espnet_plugin.results.merge import merged_results, write_results
from espnet_plugin.results.pairs import compare_all
from espnet_plugin.results.read_score import ScoreChoice
from espnet_plugin.results.results import Results

_DEFAULT_DIR = "report"
_IN_DIR = {
    "results_json": "results.json",
    "markdown": "RESULTS.md",
    "html": "report.html",
    "plot_dir": "plots",
}


def get_parser() -> argparse.ArgumentParser:
    parser = ExactParser(
        description="Compare finished experiments: tables with intervals, plots, "
        "paired comparisons. Any ESPnet ASR experiment folders can be given; cost "
        "and speed are shown for those that hold this plugin's cost.json and "
        "rtf.json.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add(
        "exp_dir",
        nargs="*",
        metavar="EXP_DIR",
        help="folders of models and EncRL runs, e.g. exp/asr_* exp/encrl_*; if none "
        "is given, the report is made again from results.json",
    )
    add(
        "--output_dir",
        help="folder for results.json, RESULTS.md, report.html and plots/, unless "
        f"the next four options say otherwise; {_DEFAULT_DIR} if none of the five is "
        "given",
    )
    add(
        "--results_json",
        help="made, or extended: a row with the same method, variant, layers, size "
        "and seed is replaced, other rows are kept and marked in the tables",
    )
    add(
        "--markdown",
        help="Markdown file for the tables, which are written between <!-- "
        "results:begin --> and <!-- results:end -->; made if it does not exist",
    )
    add("--html", help="file for the whole report")
    add("--plot_dir", help="folder for the plots; needs matplotlib")
    add(
        "--corpus",
        help="name of the corpus; the default for a new results.json is the name of "
        "the recipe's folder",
    )
    add(
        "--decoding",
        help="name of the decoding: scores are read from decode_<decoding>/; "
        "default: best_path for this plugin's folders, the only decoding there is "
        "for others",
    )
    add(
        "--test_set",
        help="name of the test set; default: test for this plugin's folders, the "
        "only set there is for others",
    )
    add("--dev_set", default="dev", help="name of the development set")
    add(
        "--dump_dir",
        type=Path,
        help="folder into which stage 2 wrote the sets: scores of data that has "
        "changed since are not used, and the tables say so; without this option all "
        "scores are used",
    )
    add(
        "--compare",
        nargs=2,
        action="append",
        default=[],
        metavar=("A", "B"),
        help="compare row B with row A, named as in the tables, e.g. 'scratch 6' "
        "'encrl 6', or by a model's folder; may be given several times; added to the "
        "comparisons that are always made",
    )
    add(
        "--rivals",
        nargs="+",
        default=[],
        metavar="METHOD",
        help="methods that the pictures show besides the reference and the main "
        "method, at most five, named with their variant as in the tables, e.g. "
        "scratch 'layer_copy first'; default: training from scratch, and the methods "
        "with the lowest mean error rate among those with the main method's sizes "
        "and seeds",
    )
    add(
        "--intersection",
        action="store_true",
        help="allow rows scored on different test sets, and compare them on the "
        "utterances they have in common",
    )
    return parser


def make_report(args: argparse.Namespace) -> None:
    """Write the requested files; print tables, comparisons and paths."""
    where = _places(args)
    if args.dump_dir is not None and not args.dump_dir.is_dir():
        logging.warning(
            "--dump_dir %s does not exist, so scores are not compared with the data "
            "that there is now",
            args.dump_dir,
        )
    corpus = args.corpus
    if corpus is None and args.exp_dir and not Path(where["results_json"]).exists():
        corpus = _recipe_name(Path(args.exp_dir[0]))
    results = merged_results(
        where["results_json"],
        args.exp_dir,
        corpus,
        ScoreChoice(args.decoding, args.test_set, args.dev_set, args.dump_dir),
        args.intersection,
    )
    comparisons = compare_all(results, args.compare, args.intersection)
    results = results.with_comparisons(comparisons)
    scored = [one for one in results.groups if one.test_wer is not None]
    if scored:
        choose(scored, args.rivals)  # refuses a wrong name before anything is written
    write_results(where["results_json"], results)
    tables = [quality_table(results), cost_table(results)]
    written = [Path(where["results_json"])]
    plots = _draw(results, where["plot_dir"], args.rivals) if where["plot_dir"] else []
    if where["markdown"]:
        block = markdown_block(results, plots, Path(where["markdown"]).parent)
        written.append(write_markdown(where["markdown"], block))
    if where["html"]:
        written.append(write_html(where["html"], results, plots, args.rivals))
    print("\n\n".join(table.markdown() for table in tables) + "\n")
    for one in comparisons:
        print(one.sentence)
    for path in [*written, *plots]:
        print(path)
    for sentence in size_sentences(results):
        print(sentence)
    if where["html"]:
        # In full: a recipe's user may be in another folder (make demo).
        print(f"The report: {Path(where['html']).resolve()}")


def _places(args: argparse.Namespace) -> dict[str, Optional[str]]:
    """Return the path of each output; None if it is not wanted."""
    given = {name: getattr(args, name) for name in _IN_DIR}
    folder = args.output_dir
    if folder is None and not any(given.values()):
        folder = _DEFAULT_DIR
    if folder is not None:
        for name, file in _IN_DIR.items():
            given[name] = given[name] or str(Path(folder) / file)
    # The figures are always written, because everything else can be made from them.
    first = next(Path(path).parent for path in given.values() if path)
    given["results_json"] = given["results_json"] or str(first / "results.json")
    return given


def _recipe_name(folder: Path) -> str:
    """Return <corpus> of egs2/<corpus>/asr1/exp/<experiment>, or the parent's name."""
    parents = [path.name for path in folder.resolve().parents]
    if parents[0] == "exp" and len(parents) > 2 and parents[2]:
        return parents[2]
    return parents[0] or "corpus"


def _draw(results: Results, folder: str, rivals: Sequence[str]) -> list[Path]:
    try:
        from espnet_plugin.report.plots.curves import plot_curves
        from espnet_plugin.report.plots.draw import plot_results
    except ImportError as error:
        logging.warning(
            "plots are not drawn: %s; pip install matplotlib, then run again", error
        )
        return []
    if all(row.quality.test_wer is None for row in results.rows):
        logging.warning("plots are not drawn: no row has a test score yet")
        return []
    curves = plot_curves(results, folder, rivals)
    return [*plot_results(results, folder, rivals), *([curves] if curves else [])]


def main(cmd: Optional[Sequence[str]] = None) -> int:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    return run_command(lambda: make_report(args))


if __name__ == "__main__":
    sys.exit(main())
