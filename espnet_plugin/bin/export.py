"""Stage 10: derive from a trained model the files that a device runs."""

import argparse
import sys
from pathlib import Path

from espnet_plugin.bin.run import run_command


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("experiment", type=Path, help="ESPnet experiment folder, with config.yaml")
    add(
        "--target",
        default="onnx",
        choices=["onnx", "sherpa-onnx"],
        help="onnx: for any program with onnxruntime; sherpa-onnx: for its programs",
    )
    add("--output_dir", type=Path, help="default: EXPERIMENT/export/TARGET")
    add("--model_file", help="name of the checkpoint; default: the best average")
    add(
        "--features",
        action="store_true",
        help="leave the front end out: the file takes features (target onnx)",
    )
    add(
        "--fbank_rate",
        type=int,
        help="Hz; the model was trained with --feats_type fbank: put that front end "
        "into the file",
    )
    add("--dev", type=Path, help="Kaldi data folder to compare texts on, e.g. data/dev")
    add("--dev_utterances", type=int, default=200, help="utterances of --dev, at most")
    add("--int8", action="store_true", help="also write model.int8.onnx; needs --dev")
    add(
        "--max_wer_loss",
        type=float,
        default=0.5,
        help="points of word error rate on --dev that int8 may cost",
    )
    add(
        "--num_threads",
        type=int,
        default=1,
        help="threads of onnxruntime while it is tried",
    )
    return parser


def export(args: argparse.Namespace) -> None:
    """Do the work."""
    # ESPnet takes seconds to import; wrong options should not wait for it.
    from espnet_plugin.export.derive import ExportOptions, export_model

    options = {k: v for k, v in vars(args).items() if k != "experiment"}
    export_model(args.experiment, ExportOptions(**options))


def main(cmd=None) -> int:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    return run_command(lambda: export(args))


if __name__ == "__main__":
    sys.exit(main())
