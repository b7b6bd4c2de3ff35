"""Whether the names in ``freeze_param`` and ``init_param`` are names of weights.

ESPnet 202611 ignores names that match nothing, without a message: a misspelt
``freeze_param`` trains what should stay as it is, and a misspelt ``init_param`` leaves
random weights where a pre-trained part was wanted.
"""

import argparse
from pathlib import Path
from typing import Collection, Iterable, Optional

import torch
from espnet2.torch_utils.load_pretrained_model import load_pretrained_model

from espnet_plugin.checkpoints.checkpoint import read_checkpoint
from espnet_plugin.errors import UserError
from espnet_plugin.suggest import did_you_mean

__all__ = ["check_named_weights", "known_modules", "loaded_names"]

_FORM = "the form is FILE:SOURCE:TARGET:EXCLUDED, e.g. model.pth:encoder:encoder"


def check_named_weights(args: argparse.Namespace, model: torch.nn.Module) -> None:
    """Check these two options against the model and the files that they name.

    Args:
        args: Options of an ESPnet training.
        model: The model that it trains.

    Raises:
        UserError: If a name matches no weight, or tensors do not fit and
            ``ignore_init_mismatch`` is false; it names the option and its value.
    """
    own = model.state_dict()
    for name in args.freeze_param or ():
        if not _below(name, own):
            raise UserError(
                f"freeze_param {name}: the model has no such weights"
                f"{known_modules(name, own)}"
            )
    for value in args.init_param or ():
        _check_start(value, model, bool(args.ignore_init_mismatch))


def known_modules(name: str, weights: Collection[str]) -> str:
    """Return what a message about a wrong name of weights should end with.

    Args:
        name: The wrong name.
        weights: Names of all weights.

    Returns:
        The most similar module or weight if there is one, and the outermost modules.
    """
    return (
        f"{did_you_mean(name, _modules(weights))}. The modules are "
        f"{', '.join(_outermost(weights))}"
    )


def loaded_names(starts: Iterable[str], model: torch.nn.Module) -> set[str]:
    """Return the names of a model's tensors that values of ``init_param`` fill.

    Args:
        starts: The values, ``FILE:SOURCE:TARGET:EXCLUDED``.
        model: The model.

    Raises:
        UserError: If a file does not exist or is not a checkpoint.
    """
    own, filled = model.state_dict(), set()
    for value in starts:
        file, source, target, excluded = [*value.split(":"), "", "", ""][:4]
        if not Path(file).is_file():
            raise UserError(f"init_param {value}: the file {file} does not exist")
        found = read_checkpoint(file)
        start, prefix = len(source) + 1 if source else 0, target and f"{target}."
        left_out = tuple(filter(None, excluded.split(",")))
        for name, tensor in found.items():
            mine = prefix + name[start:]
            if not name.startswith(source) or name.startswith(left_out):
                continue
            if _fits(own.get(mine), tensor):
                filled.add(mine)
    return filled


def _check_start(value: str, model: torch.nn.Module, lenient: bool) -> None:
    """Check one value of ``init_param`` as ESPnet's load_pretrained_model reads it."""
    option = f"init_param {value}"
    file, *rest = value.split(":")
    if len(rest) > 3:
        raise UserError(f"{option}: has {len(rest)} colons: {_FORM}")
    source, target, excluded = [*rest, "", "", ""][:3]
    if not Path(file).is_file():
        raise UserError(f"{option}: the file {file} does not exist: {_FORM}")
    own = model.state_dict()
    if target and not _below(target, own):
        raise UserError(
            f"{option}: the model has no part {target}"
            f"{did_you_mean(target, _modules(own))}. Its modules are "
            f"{', '.join(_outermost(own))}"
        )
    found = read_checkpoint(file)
    for prefix in filter(None, excluded.split(",")):
        _check_excluded(prefix, found, option)
        found = {name: x for name, x in found.items() if not name.startswith(prefix)}
    names = [one for one in found if one.startswith(source)]
    if not names:
        raise UserError(
            f"{option}: {file} has no weights of {source or 'the model'}"
            f"{did_you_mean(source, _modules(found))}. Its modules are "
            f"{', '.join(_outermost(found)) or 'all excluded'}"
        )
    if lenient:
        start, prefix = len(source) + 1 if source else 0, target and f"{target}."
        if not any(_fits(own.get(prefix + one[start:]), found[one]) for one in names):
            raise UserError(
                f"{option}: none of {len(names)} tensors fits the model, and with "
                f"ignore_init_mismatch none would be loaded; {_FORM}"
            )
        return
    try:
        # ESPnet does the same later. Only loading shows what fits, because its
        # layers rename tensors of older releases while they load.
        load_pretrained_model(value, model, False)
    except RuntimeError as error:
        problems = str(error).split("\n\t")[1:] or [str(error)]
        raise UserError(
            f"{option}: does not fit the model ({len(problems)} problems, the first: "
            f"{problems[0]}). Correct SOURCE or TARGET, or leave out what does not fit "
            f"with EXCLUDED or ignore_init_mismatch: true; {_FORM}"
        ) from error


def _check_excluded(prefix: str, names: Iterable[str], option: str) -> None:
    """Refuse a module's name that would also leave out modules with longer names.

    ESPnet compares the beginnings of names: layer 1 is also the beginning of layer 10
    (findings/espnet_init_excluded.sh).
    """
    longer = {one for one in names if one.startswith(prefix)} - {prefix}
    longer = {one for one in longer if one[len(prefix)] != "."}
    if not _below(prefix, names) or not longer:
        return
    rest = min(longer)[len(prefix) :].split(".")[0]
    raise UserError(
        f"{option}: EXCLUDED {prefix} would also leave out {prefix}{rest}, because "
        f"ESPnet compares the beginnings of names: write {prefix}. with a full stop at "
        "its end, or name both"
    )


def _fits(ours: Optional[torch.Tensor], theirs: torch.Tensor) -> bool:
    return ours is not None and ours.shape == theirs.shape


def _below(name: str, weights: Iterable[str]) -> bool:
    """Whether a name is a weight, or a module that has weights."""
    return any(one == name or one.startswith(f"{name}.") for one in weights)


def _modules(weights: Iterable[str]) -> set[str]:
    """Return the names of weights and of all modules that contain them."""
    parts = (one.split(".") for one in weights)
    return {".".join(one[:n]) for one in parts for n in range(1, len(one) + 1)}


def _outermost(weights: Collection[str]) -> list[str]:
    return sorted({one.split(".")[0] for one in weights})
