"""Stage 10: export trained models to files that a device can run."""

import argparse
import logging
import sys
from pathlib import Path
from typing import Mapping

from espnet_plugin.bin.arguments import number, of_recipe, whole
from espnet_plugin.bin.run import run_command
from espnet_plugin.errors import UserError
from espnet_plugin.exact_parser import ExactParser
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.experiment.given import check_given
from espnet_plugin.export.read import check_is_experiment
from espnet_plugin.export.target_names import TARGETS

# Exit status if a requested 8-bit file loses more than --max_wer_loss.
REJECTED = 3


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = ExactParser(
        description=__doc__,
        epilog="exit status: 0: done; 2: an error in options, models or data; 3: "
        "everything was written except 8-bit files (--int8) that lost more than "
        "--max_wer_loss",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add(
        "experiments",
        nargs="+",
        type=Path,
        metavar="EXPERIMENT",
        help="ESPnet experiment folders, with config.yaml; a streaming (dual-mode) "
        "model is exported so that it runs chunk by chunk",
    )
    add(
        "--target",
        default="onnx",
        choices=list(TARGETS),
        help="; ".join(f"{name}: {use}" for name, use in TARGETS.items()),
    )
    add(
        "--output_dir",
        type=Path,
        help="folder for the export of a single model; default: "
        "EXPERIMENT/export/TARGET",
    )
    add("--model_file", help="file name of the checkpoint; default: the best average")
    add(
        "--features",
        action="store_true",
        help="leave the front end out, so that the exported model takes features "
        "(target onnx)",
    )
    add(
        "--fbank_rate",
        type=whole(1),
        help="sampling rate in Hz; for a model trained with --feats_type fbank: puts "
        "that front end into the file",
    )
    add(
        "--sherpa_kind",
        default="omnilingual",
        choices=["omnilingual", "zipformer_ctc"],
        help="sherpa-onnx's type of a model for whole utterances. omnilingual: takes "
        "audio, for every model at 16 kHz; zipformer_ctc: computes Kaldi's filter "
        "banks, for a model trained on them",
    )
    add(
        "--mode",
        choices=["full", "streaming"],
        help="mode of a dual-mode model. full: its dense mode, for whole utterances; "
        "default: streaming, if it was trained for it",
    )
    add(
        "--dev",
        type=Path,
        help="Kaldi data folder on which recognised texts are compared, e.g. data/dev",
    )
    add(
        "--dev_utterances",
        type=whole(1),
        default=200,
        help="maximum number of utterances of --dev",
    )
    add(
        "--int8",
        action="store_true",
        help="also write an 8-bit file, if its error rate on --dev is close enough "
        "(--max_wer_loss); otherwise the exit status is 3",
    )
    add(
        "--max_wer_loss",
        type=number(0),
        default=0.5,
        help="points of word error rate on --dev that --int8 may lose",
    )
    add(
        "--num_threads",
        **of_recipe(
            "num_threads", help="threads of onnxruntime while the export is verified"
        ),
    )
    add(
        "--measure",
        action="store_true",
        help="also measure real-time factors, memory and time to the first word of "
        "the written files (except model.fixed.onnx), for the report; run nothing else "
        "meanwhile",
    )
    add(
        "--fixed_seconds",
        type=number(1, 120),
        metavar="SECONDS",
        help="also write model.fixed.onnx, which takes one utterance of at most this "
        "duration and in which the size of every tensor is fixed, as compilers and "
        "accelerators require (target onnx)",
    )
    add("--license", help="licence of the reference, for the model card")
    add(
        "--chunk_frames",
        type=whole(1),
        help="encoder frames per chunk of a streaming model; default: the model's own",
    )
    add(
        "--calibration",
        type=Path,
        help="Kaldi data folder; on it, a streaming model that takes raw audio is "
        "fitted to sherpa-onnx's features. This is an approximation, and the export "
        "is marked as one",
    )
    add(
        "--web",
        type=Path,
        metavar="DIR",
        help="also write a static web page that recognises speech in the browser "
        "with the exported models (target onnx)",
    )
    return parser


def export(args: argparse.Namespace) -> list[Path]:
    """Export the models.

    Returns:
        The folders without a requested 8-bit file, because it loses too much accuracy.

    Raises:
        UserError: If options contradict each other or do not apply to a model.
    """
    if args.output_dir is not None and len(args.experiments) > 1:
        raise UserError(
            f"--output_dir {args.output_dir} is the folder for one model, but "
            f"{len(args.experiments)} models are given: export them one by one, or "
            "leave the option out"
        )
    for experiment in args.experiments:
        check_given(experiment)
        check_is_experiment(experiment)
    if args.web is not None and (args.target != "onnx" or args.features):
        option = "--features" if args.features else f"--target {args.target}"
        raise UserError(
            f"--web {args.web}: the page takes audio and needs --target onnx; remove "
            f"{option} or --web"
        )
    for experiment in args.experiments:
        Experiment(experiment).config()  # refuses other folders
    if args.dev is not None:
        from espnet_plugin.export.dev import check_dev

        check_dev(args.dev)
    # Imported here, because ESPnet takes seconds, and options are checked before.
    from espnet_plugin.export.derive import ExportOptions, export_model
    from espnet_plugin.export.folder import rejected_int8
    from espnet_plugin.export.mode import STREAMING, export_mode
    from espnet_plugin.export.streaming.derive import export_streaming
    from espnet_plugin.web.exports import Exported
    from espnet_plugin.web.folder import build_page, check_page

    options = ExportOptions(
        **{name: getattr(args, name) for name in ExportOptions.__dataclass_fields__}
    )
    streaming = {
        experiment: export_mode(experiment, args.mode) == STREAMING
        for experiment in args.experiments
    }
    _check_options(args, streaming)
    if args.web is not None:
        check_page(args.web)
    made = []
    rejected = []
    for experiment in args.experiments:
        if streaming[experiment]:
            folder = export_streaming(
                experiment,
                args.target,
                args.output_dir,
                args.model_file,
                args.fbank_rate,
                args.chunk_frames,
                args.calibration,
                options,
            )
        else:
            folder = export_model(experiment, options)
        made.append(Exported(folder, experiment))
        if rejected_int8(folder):
            rejected.append(folder)
    if args.web is not None:
        build_page(made, args.web)
    for folder in rejected:
        logging.error("%s has no 8-bit file: %s", folder, rejected_int8(folder))
    return rejected


def _check_options(args: argparse.Namespace, streaming: Mapping[Path, bool]) -> None:
    """Check that the options apply to the kind of each model.

    Raises:
        UserError: If one does not.
    """
    wrong = {
        True: [
            name
            for name, given in (
                ("features", args.features),
                ("fixed_seconds", args.fixed_seconds is not None),
            )
            if given
        ],
        False: [
            name
            for name in ("chunk_frames", "calibration")
            if getattr(args, name) is not None
        ],
    }
    for experiment, streams in streaming.items():
        if wrong[streams]:
            kind = "a streaming model" if streams else "no streaming model"
            raise UserError(
                f"--{wrong[streams][0]} is not for {experiment}, which is {kind}: "
                "leave the option out, or give other folders"
            )


def main(cmd=None) -> int:
    """Run the command; status 3: only 8-bit files that lose too much are missing."""
    args, rejected = get_parser().parse_args(cmd), []
    status = run_command(lambda: rejected.extend(export(args)))
    return REJECTED if status == 0 and rejected else status


if __name__ == "__main__":
    sys.exit(main())
