"""Calibrate the confidence that a model gives to its words, on a set with transcripts.

Writes ``confidence.json`` into the experiment folder, which recognise.py then uses:
  python -m espnet_plugin.bin.confidence EXP --data_dir dump/raw/dev
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from espnet_plugin.bin.arguments import whole
from espnet_plugin.bin.run import run_command
from espnet_plugin.counted import counted
from espnet_plugin.errors import UserError
from espnet_plugin.exact_parser import ExactParser
from espnet_plugin.recognise.given_model import check_given_model, read_transcribed
from espnet_plugin.writable import check_writable


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = ExactParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("model_dir", type=Path, help="folder with config.yaml and a checkpoint")
    add(
        "--data_dir",
        type=Path,
        required=True,
        help="Kaldi folder with wav.scp and text; must not be data that the model "
        "was trained on",
    )
    add(
        "--test_dir",
        type=Path,
        help="Kaldi folder of a test set; the fitted confidence is evaluated on it, "
        "also for the report",
    )
    add("--model_file", help="file name of the checkpoint; by default the best one")
    add("--num_threads", type=whole(1), default=1)
    return parser


def calibrate(args: argparse.Namespace) -> None:
    """Fit, write the file, and print the calibration errors."""
    if args.num_threads < 1:
        raise UserError(f"--num_threads {args.num_threads}: must be at least 1")
    check_given_model(args.model_dir)
    check_writable(args.model_dir, "model_dir")
    for folder in filter(None, [args.data_dir, args.test_dir]):
        read_transcribed(folder)
    # Imported here, because torch and ESPnet take many seconds.
    import torch

    from espnet_plugin.recognise.calibrate import calibration_errors, judge_set
    from espnet_plugin.recognise.confidence import fit, write_calibration
    from espnet_plugin.recognise.load import load_model
    from espnet_plugin.recognise.recogniser import Recogniser

    torch.set_num_threads(args.num_threads)
    model = load_model(args.model_dir, args.model_file)
    recogniser = Recogniser(model)
    judged = judge_set(model, recogniser, args.data_dir)
    found = fit(judged.words, judged.correct, model.checksum())
    path = write_calibration(args.model_dir, found)
    print(
        f"{args.data_dir}: {counted(found.words, 'word')}, "
        f"{found.correct} right; temperature {found.temperature:.3f}; the confidence "
        f"of a word is the {found.aggregate} over its tokens; expected calibration "
        f"error {found.ece_before:.4f} before, {found.ece_after:.4f} after "
        f"(cross-fitted); written: {path}"
    )
    if args.test_dir is not None:
        judged = judge_set(model, recogniser, args.test_dir)
        before, after = calibration_errors(judged, found)
        on_test = replace(
            found,
            test_words=judged.num_words,
            test_ece_before=before,
            test_ece_after=after,
        )
        write_calibration(args.model_dir, on_test)
        print(
            f"{args.test_dir}: {counted(judged.num_words, 'word')}, "
            f"{judged.num_right} right; expected calibration error {before:.4f} "
            f"before, {after:.4f} after"
        )


def main(cmd=None) -> int:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    return run_command(lambda: calibrate(args))


if __name__ == "__main__":
    sys.exit(main())
