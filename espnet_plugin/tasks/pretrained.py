"""Avoid downloads of pre-trained weights that would be overwritten anyway."""

import argparse
from contextlib import AbstractContextManager, nullcontext

from espnet_plugin.checkpoints.offline import without_downloads

__all__ = ["as_their_weights_come", "weights_follow"]

_PARTS = ("frontend", "encoder", "decoder")
_PRETRAINED = "whisper"  # the only part that can be built without its weights


def as_their_weights_come(args: argparse.Namespace) -> AbstractContextManager:
    """Return the context manager in which a training's model is built.

    If :func:`weights_follow`, nothing is downloaded. Otherwise ESPnet downloads the
    weights of pre-trained parts.

    Args:
        args: Options of ESPnet's ASR task or of a task of this plugin.
    """
    if weights_follow(args):
        return without_downloads(vars(args), "the training's configuration")
    return nullcontext()


def weights_follow(args: argparse.Namespace) -> bool:
    """Return whether all pre-trained parts get their weights after they are built.

    The weights come from the files of ``init_param`` or from the reference of a
    student. Collecting statistics does not need any.
    """
    if args.collect_stats:
        return True
    if getattr(args, "student_layers", ()):
        return True
    if getattr(args, "student_init", "random") != "random":
        return True
    targets = [_target(item) for item in args.init_param or ()]
    parts = [part for part in _PARTS if getattr(args, part, None) == _PRETRAINED]
    return all({"", part} & set(targets) for part in parts)


def _target(init_param: str) -> str:
    """Return the target in ``path:source:target:excluded``; "" is the whole model."""
    _, _, target, *_ = [*init_param.split(":"), "", ""]
    return target
