"""The models that a command of the language model recipe works on."""

import argparse
from pathlib import Path
from typing import Any, Optional

from espnet_plugin.bin.arguments import MOST_SEED, whole
from espnet_plugin.errors import UserError
from espnet_plugin.jobs.lm_current import current_models
from espnet_plugin.jobs.lm_text import LMText
from espnet_plugin.lm.record import find_models

__all__ = ["MODELS_FOLDER", "chosen_models", "lm_seeds", "lm_text", "text_option"]

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


def text_option() -> dict[str, Any]:
    """Return the arguments of ``add_argument`` for an optional ``--text_dir``."""
    return {
        "type": Path,
        "default": None,
        "help": "folder that stage 3 wrote, to leave out models of another text; if "
        "not given, texts are not compared",
    }


def chosen_models(args: argparse.Namespace) -> list[Path]:
    """Return the finished models in ``args.exp_dir`` with a seed of ``args.seeds``.

    Those of an older dense model or text are left out, with a warning.

    Raises:
        UserError: If there is none, or none is left.
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
    return current_models(args.exp_dir, folders, lm_text(args))


def lm_text(args: argparse.Namespace) -> Optional[LMText]:
    """Return the text of stage 3; None if the command was not given it."""
    return None if args.text_dir is None else LMText(args.text_dir)
