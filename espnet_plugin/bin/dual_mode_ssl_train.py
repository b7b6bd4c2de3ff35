"""Dual-mode pre-training with wav2vec 2.0 or BEST-RQ: no transcripts needed.

Takes every option of ``espnet2.bin.ssl_train``, and ``--fine_tuning_config``, the
configuration of the training that will start from this one: both must have the same
encoder. ``meta.json`` describes how that training starts from the result.
"""

import argparse
import sys
from pathlib import Path

from espnet_plugin.bin.arguments import of_recipe
from espnet_plugin.bin.run import run_command
from espnet_plugin.exact_parser import ExactParser
from espnet_plugin.jobs.pretraining import pretrain_dual_mode


def get_parser() -> argparse.ArgumentParser:
    """Return the options that this command needs itself."""
    parser = ExactParser(description=__doc__, add_help=False)
    parser.add_argument(
        "--config", type=Path, required=True, help="configuration of the pre-training"
    )
    parser.add_argument(
        "--output_dir", type=Path, required=True, help="folder of the training"
    )
    parser.add_argument("--seed", **of_recipe("seed"))
    _add_own(parser)
    return parser


def _add_own(parser: argparse.ArgumentParser) -> None:
    """Add the option that the task does not have."""
    # Compared before the pre-training, which takes hours.
    parser.add_argument(
        "--fine_tuning_config",
        type=Path,
        help="configuration of the training that will later start from this one; "
        "both need the same front end and encoder",
    )


def train(args: argparse.Namespace, options: list[str]) -> None:
    """Do the pre-training, or resume it."""
    pretrain_dual_mode(
        args.output_dir, args.config, options, args.seed, args.fine_tuning_config
    )


def main(cmd=None) -> int:
    """Run the command."""
    cmd = sys.argv[1:] if cmd is None else cmd
    if "--help" in cmd or "-h" in cmd:
        from espnet_plugin.tasks.dual_mode_ssl import DualModeSSLTask

        parser = DualModeSSLTask.get_parser()
        _add_own(parser)
        parser.print_help()
        return 0
    args, options = get_parser().parse_known_args(cmd)
    return run_command(lambda: train(args, options))


if __name__ == "__main__":
    sys.exit(main())
