"""Measure which layers of a recogniser carry the transcript, in each of its modes.

The recogniser is frozen. A linear CTC classifier is trained on the output of each
layer, all in one pass over the data. Their token error rates on a development set are
written as a table (.md, .json) and a picture (.png, .svg):
  python -m espnet_plugin.bin.layer_probes exp/dual_self_pruned_50_s1 \\
      --train_dir data/train --dev_dir data/dev --output_dir exp/probes
"""

import argparse
import sys
from pathlib import Path

from espnet_plugin.bin.arguments import number, of_recipe, whole
from espnet_plugin.bin.run import run_command
from espnet_plugin.exact_parser import ExactParser
from espnet_plugin.probe.options import ProbeOptions
from espnet_plugin.writable import check_writable


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = ExactParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "model_dirs",
        type=Path,
        nargs="+",
        metavar="model_dir",
        help="experiment folder: a dual-mode training (dual_*), or any recogniser; "
        "several share table and picture, and must have the same tokens",
    )
    add(
        "--train_dir",
        type=Path,
        required=True,
        help="Kaldi folder (wav.scp, text) that the classifiers are trained on",
    )
    add(
        "--dev_dir",
        type=Path,
        required=True,
        help="Kaldi folder (wav.scp, text) that their errors are counted on",
    )
    add("--output_dir", type=Path, required=True, help="folder for the results")
    add(
        "--modes",
        nargs="+",
        choices=["full", "streaming"],
        default=[],
        help="modes to measure; by default all that a model was trained for",
    )
    usual = ProbeOptions()
    add(
        "--epochs",
        type=whole(1),
        default=usual.epochs,
        help=f"epochs of training (default {usual.epochs})",
    )
    add(
        "--batch_size",
        type=whole(1),
        default=usual.batch_size,
        help=f"utterances in a batch (default {usual.batch_size})",
    )
    add(
        "--learning_rate",
        type=number(0, above=True),
        default=usual.learning_rate,
        help="learning rate at the beginning; it falls linearly to 0 (default "
        f"{usual.learning_rate})",
    )
    add(
        "--seed",
        **of_recipe(
            "seed", help="seed of the classifiers and of the order of the batches"
        ),
    )
    add("--num_threads", type=whole(1), default=1, help="CPU threads (default 1)")
    return parser


def probe(args: argparse.Namespace) -> None:
    """Train the classifiers, write the results and print the table.

    Raises:
        UserError: If the results cannot be written; before anything is trained.
    """
    check_writable(args.output_dir, "--output_dir")
    # Here, because torch and ESPnet take many seconds to import.
    import torch

    from espnet_plugin.probe.experiment import probe_experiments
    from espnet_plugin.probe.report import probe_table, write_probes

    torch.set_num_threads(args.num_threads)
    options = ProbeOptions(args.epochs, args.batch_size, args.learning_rate, args.seed)
    probed = probe_experiments(
        args.model_dirs, args.train_dir, args.dev_dir, options, args.modes
    )
    written = write_probes(
        args.output_dir, probed, options, args.train_dir, args.dev_dir
    )
    print(probe_table(probed))
    print(f"written: {' '.join(map(str, written))}")


def main(cmd=None) -> int:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    return run_command(lambda: probe(args))


if __name__ == "__main__":
    sys.exit(main())
