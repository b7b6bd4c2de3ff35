"""Stage 5: EncRL pre-training.

Takes every option of ``espnet2.bin.asr_train`` and those of EncRL
(``--reference_config``, ``--student_num_layers``, ``--student_init``...); architecture
and tokens come from the reference.
"""

import argparse
import sys
from pathlib import Path
from typing import Optional

from espnet_plugin.bin.run import run_command
from espnet_plugin.errors import UserError
from espnet_plugin.files import file_checksum, write_json
from espnet_plugin.jobs.training_job import read_yaml, training_job
from espnet_plugin.tasks.ranks import is_first, without_ranks


def get_parser() -> argparse.ArgumentParser:
    """Return the options that this command adds to the task's."""
    parser = argparse.ArgumentParser(
        description=__doc__, add_help=False, allow_abbrev=False
    )
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--output_dir", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--variant", default="", help="its name in the tables")
    parser.add_argument("--serves", type=int, nargs="+", default=[6, 4, 2])
    return parser


def train(args: argparse.Namespace, options: list[str]) -> None:
    """Do the stage."""
    first = is_first(options)
    config = read_yaml(args.config)
    criteria = config.get("best_model_criterion")
    if criteria and not any(["valid", "loss"] == list(one[:2]) for one in criteria):
        raise UserError(
            f"--config {args.config}: best_model_criterion {criteria} lacks [valid, "
            "loss, min]: of EncRL's epochs those of the lowest loss on dev are averaged"
        )
    request = {
        "config": config,
        "options": without_ranks(options),
        "seed": args.seed,
        # Another reference may come to stand under the same name.
        "reference": _checksum_of(options, "--reference_model_file"),
    }
    with training_job(args.output_dir, request, first) as todo:
        if todo is not None:
            # Here, because ESPnet takes many seconds to import and a finished training
            # needs none of it.
            from espnet_plugin.tasks.encrl import EncRLTask

            EncRLTask.main(
                cmd=[
                    *("--config", str(args.config)),
                    *("--output_dir", str(args.output_dir)),
                    *("--seed", str(args.seed)),
                    *("--resume", "true"),
                    *options,
                ]
            )
    if not first:
        return
    write_json(
        args.output_dir / "meta.json",
        {
            "method": "encrl_pretrain",
            "variant": args.variant,
            "seed": args.seed,
            "serves": sorted(args.serves, reverse=True),
        },
    )


def _checksum_of(options: list[str], name: str) -> Optional[str]:
    """Return the checksum of the file that an option names; None if there is none."""
    if name not in options[:-1]:
        return None
    path = Path(options[options.index(name) + 1])
    return file_checksum(path) if path.is_file() else None


def main(cmd=None) -> int:
    """Run the command."""
    cmd = sys.argv[1:] if cmd is None else cmd
    if "--help" in cmd or "-h" in cmd:
        from espnet_plugin.tasks.encrl import EncRLTask

        EncRLTask.get_parser().print_help()
        return 0
    args, options = get_parser().parse_known_args(cmd)
    return run_command(lambda: train(args, options))


if __name__ == "__main__":
    sys.exit(main())
