"""Dual-mode training of a supernet.

What this command does not know is handed to ESPnet's ASR training (data, ngpu...).
"""

import argparse
import sys
from pathlib import Path
from typing import Any, Optional

from espnet_plugin.bin.run import run_command
from espnet_plugin.errors import UserError
from espnet_plugin.tasks.dual_models import AVERAGED, train_dual_mode
from espnet_plugin.tasks.job import read_yaml

# What a row may say, and what counts where it does not: its name in the tables, the
# modes that are decoded, the row it goes on from, whether it starts from a
# pre-training, and what it changes in the training configuration.
_ROW = {
    "method": "dual_mode",
    "variant": "",
    "modes": ["full", "streaming"],
    "after": None,
    "pretrained": False,
    "changes": {},
}


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("--config", type=Path, required=True, help="training configuration")
    add(
        "--row",
        type=Path,
        help="what this training changes in the configuration, and what it is called "
        "(conf/dualmode/rows/)",
    )
    add("--output", type=Path, required=True, help="folder of the training")
    add(
        "--pretrained",
        type=Path,
        help="checkpoint of a pre-training: rows with `pretrained: true` start from "
        "its encoder",
    )
    add("--max_epoch", type=int, help="instead of the configuration's")
    add("--seed", type=int, default=1)
    return parser


def train(args: argparse.Namespace, options: list[str]) -> None:
    """Do the stage."""
    config = read_yaml(args.config)
    row = dict(_ROW)
    if args.row is not None:
        given = read_yaml(args.row, "--row")
        unknown = set(given) - set(row)
        if unknown:
            raise UserError(
                f"--row {args.row}: unknown {', '.join(sorted(unknown))}; may have "
                f"{', '.join(row)}"
            )
        row.update(given)
    change_config(config, row["changes"])
    if args.max_epoch is not None:
        config["max_epoch"] = args.max_epoch
    train_dual_mode(
        args.output,
        config,
        [*options, "--seed", str(args.seed)],
        {
            **{name: row[name] for name in ("method", "variant", "modes")},
            "seed": args.seed,
        },
        _start(args, row),
        start_whole=row["after"] is not None,
    )


def _start(args: argparse.Namespace, row: dict[str, Any]) -> Optional[Path]:
    """Return the checkpoint that a row starts from.

    Raises:
        UserError: If it is missing.
    """
    if row["after"] is not None:
        path = args.output.parent / f"dual_{row['after']}_s{args.seed}" / AVERAGED
        way_out = f"train the row {row['after']} with seed {args.seed} first"
    elif row["pretrained"]:
        if args.pretrained is None:
            raise UserError(
                f"--row {args.row} starts from a pre-training: give --pretrained FILE"
            )
        path, way_out = args.pretrained, "pre-train it first"
    else:
        return None
    if not path.is_file():
        raise UserError(f"{path} is missing: {way_out}")
    return path


def change_config(config: dict, changes: dict) -> None:
    """Put changes into a configuration, key by key; null takes a key out."""
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(config.get(key), dict):
            change_config(config[key], value)
        elif value is None:
            config.pop(key, None)
        else:
            config[key] = value


def main(cmd=None) -> int:
    """Run the command."""
    args, options = get_parser().parse_known_args(cmd)
    return run_command(lambda: train(args, options))


if __name__ == "__main__":
    sys.exit(main())
