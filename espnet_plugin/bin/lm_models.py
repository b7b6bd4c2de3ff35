"""The models that a command of the language model recipe works on."""

import argparse
from pathlib import Path
from typing import Any

from espnet_plugin.bin.arguments import MOST_SEED, whole
from espnet_plugin.errors import UserError
from espnet_plugin.lm.record import find_models

__all__ = ["MODELS_FOLDER", "chosen_models", "lm_seeds"]

# Arguments of ``add_argument`` for ``--exp_dir``.
MODELS_FOLDER: dict[str, Any] = {
    "type": Path,
    "required": True,
    "help": "folder that holds the models' folders",
}


def lm_seeds(verb: str) -> dict[str, Any]:
    """Return the arguments of ``add_argument`` for ``--seeds``.

    Args:
        verb: What the command does with models, for the help.
    """
    return {
        "type": whole(0, MOST_SEED),
        "nargs": "+",
        "default": [],
        "help": f"only {verb} models with these seeds; if not given, all models",
    }


def chosen_models(args: argparse.Namespace) -> list[Path]:
    """Return the finished models in ``args.exp_dir`` with a seed of ``args.seeds``.

    Raises:
        UserError: If there is none.
    """
    folders = find_models(args.exp_dir, args.seeds)
    if not folders:
        seeds = " ".join(map(str, args.seeds))
        raise UserError(
            f"{args.exp_dir} has no finished language model"
            + (f" with seed {seeds.replace(' ', ' or ')}" if seeds else "")
            + ": run stage 4 first"
            + (f' (--stage 4 --seeds "{seeds}")' if seeds else "")
        )
    return folders
