"""Whether the weights of pre-trained parts come from a file that is there."""

import argparse
from contextlib import AbstractContextManager, nullcontext

from espnet_plugin.checkpoints.offline import without_downloads

__all__ = ["as_their_weights_come", "weights_follow"]

_PARTS = ("frontend", "encoder", "decoder")
_PRETRAINED = "whisper"  # the only ones that can be built without their weights


def as_their_weights_come(args: argparse.Namespace) -> AbstractContextManager:
    """Return the context in which a training's model is built.

    Where :func:`weights_follow`, nothing is fetched; elsewhere ESPnet fetches the
    weights that pre-trained parts start from.

    Args:
        args: Options of ESPnet's ASR task, or of ours.
    """
    if weights_follow(args):
        return without_downloads(vars(args), "the training's configuration")
    return nullcontext()


def weights_follow(args: argparse.Namespace) -> bool:
    """Return whether all pre-trained parts are filled once the model is built.

    By the files of ``init_param``, or by the layers that a student copies from its
    reference. Collecting statistics looks at no weights.
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
    """Return the module that ``path:source:target:excluded`` fills; "" is all."""
    _, _, target, *_ = [*init_param.split(":"), "", ""]
    return target
