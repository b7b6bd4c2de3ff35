"""Dual-mode wav2vec 2.0 pre-training: no transcripts needed.

Takes every option of ``espnet2.bin.ssl_train``, and ``--fine_tuning_config``, that of
the training that is to start from it: another encoder is refused. ``meta.json`` says
how it does start from what comes out.
"""

import argparse
import sys
from pathlib import Path

from espnet_plugin.bin.run import run_command
from espnet_plugin.files import write_json
from espnet_plugin.jobs.training_job import read_yaml, training_job

# Its masks are final, which those of the best epoch need not be.
CHECKPOINT = "latest.pth"


def get_parser() -> argparse.ArgumentParser:
    """Return the options that this command needs itself."""
    parser = argparse.ArgumentParser(
        description=__doc__, add_help=False, allow_abbrev=False
    )
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--output_dir", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    # What is to start from it, to be compared before the hours of a pre-training.
    parser.add_argument("--fine_tuning_config", type=Path)
    return parser


def train(args: argparse.Namespace, options: list[str]) -> None:
    """Do the pre-training, or go on with it."""
    request = {
        "config": read_yaml(args.config),
        "options": options,
        "seed": args.seed,
    }
    with training_job(args.output_dir, request) as todo:
        if todo is None:
            return
        if args.fine_tuning_config is not None:
            from espnet_plugin.dual_mode.options import SHAPING
            from espnet_plugin.dual_mode.pretrained import check_same_encoder

            fine_tuning = read_yaml(args.fine_tuning_config, "--fine_tuning_config")
            check_same_encoder(request["config"], fine_tuning, SHAPING)
        # Here, because ESPnet takes many seconds to import and a finished training
        # needs none of it.
        from espnet_plugin.dual_mode.pretrained import MASKS, init_param
        from espnet_plugin.tasks.dual_mode_ssl import DualModeSSLTask

        checkpoint = args.output_dir / CHECKPOINT
        starts = {masks: init_param(checkpoint, masks) for masks in MASKS}
        DualModeSSLTask.main(
            cmd=[
                *("--config", str(args.config)),
                *("--output_dir", str(args.output_dir)),
                *("--seed", str(args.seed)),
                *("--resume", "true"),
                *options,
            ]
        )
        write_json(
            args.output_dir / "meta.json",
            {
                "method": "dual_mode_wav2vec2",
                "seed": args.seed,
                # Of the report: a run that recognisers stand on.
                "serves": [read_yaml(args.config)["encoder_conf"]["num_blocks"]],
                "checkpoint": CHECKPOINT,
                "init_param": starts,
            },
        )


def main(cmd=None) -> int:
    """Run the command."""
    cmd = sys.argv[1:] if cmd is None else cmd
    if "--help" in cmd or "-h" in cmd:
        from espnet_plugin.tasks.dual_mode_ssl import DualModeSSLTask

        DualModeSSLTask.get_parser().print_help()
        return 0
    args, options = get_parser().parse_known_args(cmd)
    return run_command(lambda: train(args, options))


if __name__ == "__main__":
    sys.exit(main())
