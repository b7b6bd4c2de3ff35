"""Find which shares of heads, units and channels a streaming model can do without.

A trained streaming model is masked in many ways, without further training, and its
errors are counted: one kind of groups at a time, then combinations that leave as many
parameters as one share of every kind. The results are printed and written (.md, .json):
  python -m espnet_plugin.bin.mask_shares exp/dual_streaming_alone_s1 \\
      --dev_dir data/dev --sparsity 0.5 --output_dir exp/shares
"""

import argparse
import sys
from pathlib import Path

from espnet_plugin.bin.arguments import number, whole
from espnet_plugin.bin.run import run_command
from espnet_plugin.errors import UserError
from espnet_plugin.exact_parser import ExactParser

_CRITERIA = ("mean_abs", "l2", "random")


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = ExactParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "model_dir",
        type=Path,
        help="experiment folder of a dual-mode training without masks (the rows "
        "streaming_alone or dense_dense), or of its streaming model",
    )
    add(
        "--dev_dir",
        type=Path,
        required=True,
        help="Kaldi folder (wav.scp, text) that errors are counted on; not the test "
        "set, if shares are chosen by them",
    )
    add("--output_dir", type=Path, required=True, help="folder for the results")
    add(
        "--sparsity",
        type=number(0, 0.95, above=True),
        default=0.5,
        help="the combinations leave as many parameters as this share of every kind "
        "(default 0.5)",
    )
    add(
        "--criterion",
        choices=_CRITERIA,
        default=_CRITERIA[0],
        help=f"score by which groups are kept (default {_CRITERIA[0]})",
    )
    add(
        "--utterances",
        type=whole(1),
        default=300,
        help="most utterances, evenly spaced in --dev_dir (default 300)",
    )
    add("--seed", type=whole(0), default=0, help="seed of --criterion random")
    add("--num_threads", type=whole(1), default=1, help="CPU threads (default 1)")
    return parser


def find_shares(args: argparse.Namespace) -> None:
    """Measure, write the results and print the tables.

    Raises:
        UserError: If the results cannot be written; before anything is measured.
    """
    if args.output_dir.exists() and not args.output_dir.is_dir():
        raise UserError(f"--output_dir {args.output_dir} is a file: name a folder")
    # Here, because torch and ESPnet take many seconds to import.
    import torch

    from espnet_plugin.probe.shares import measure_shares, shares_table, write_shares

    torch.set_num_threads(args.num_threads)
    trials = measure_shares(
        args.model_dir,
        args.dev_dir,
        args.sparsity,
        args.criterion,
        args.utterances,
        args.seed,
    )
    # First, so that the tables are not lost if they cannot be written.
    print(shares_table(trials))
    written = write_shares(args.output_dir, trials)
    print(f"\nwritten: {' '.join(map(str, written))}")


def main(cmd=None) -> int:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    return run_command(lambda: find_shares(args))


if __name__ == "__main__":
    sys.exit(main())
