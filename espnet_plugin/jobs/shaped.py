"""The options of an EncRL training whose student has a width of its own."""

import logging
from pathlib import Path
from typing import Sequence

from espnet_plugin.counted import counted
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.config import read_config
from espnet_plugin.pruning.width import why_not_narrowed
from espnet_plugin.shape import Heads, Shape, check_shapes
from espnet_plugin.yaml_files import read_yaml

__all__ = ["shape_options"]

_REFERENCE = "--reference_config"
# Options that follow from the shape and its initial weights.
_OURS = ("--student_num_layers", "--student_output_size", "--student_init")


def shape_options(
    shape: Shape, config_file: Path, options: Sequence[str], init: str = "auto"
) -> list[str]:
    """Return the options of a training, with those for the shape of its student.

    Args:
        shape: Layers and width of the student.
        config_file: Configuration of the training.
        options: The other options, with the reference.
        init: Initial weights: ``random``, or the ``first``, ``last`` or ``spaced``
            layers of the reference, cut to the width. ``auto``: the first layers if
            they can be cut, otherwise random.

    Raises:
        UserError: If the width does not fit the attention heads or is the reference's,
            the options set the shape as well, or no reference is given.
    """
    for option in options:
        name = option.split("=")[0]
        if name in _OURS:
            raise UserError(
                f"--serves {shape} and {name}: the shape already determines this (use "
                "--shape_init for its initial weights): remove one of the two options"
            )
    if _REFERENCE not in options[:-1]:
        raise UserError(
            "--reference is needed: give the folder of the model that the student "
            "learns from"
        )
    reference = read_config(Path(options[options.index(_REFERENCE) + 1]))
    encrl = read_yaml(config_file)
    heads = Heads.of(reference, encrl)
    (checked,) = check_shapes([shape], heads)
    if checked.width is None:
        raise UserError(
            f"--sizes {shape}: {heads.width} is already the width of the models: "
            f"write {checked.layers}"
        )
    if init == "auto":
        init = _start(shape, reference, encrl, options)
    return [
        *("--student_num_layers", str(shape.layers)),
        *("--student_output_size", str(shape.width), "--student_init", init),
        *options,
    ]


def _start(shape: Shape, reference: dict, encrl: dict, options: Sequence[str]) -> str:
    """Choose the initial weights of the student for ``auto``, and log the reason."""
    conf = reference.get("encoder_conf") or {}
    why_not = why_not_narrowed(reference.get("encoder"), conf)
    named = [f"--{name}" for name in encrl if name.startswith("student_enc")]
    named += [one for one in options if one.startswith("--student_enc")]
    if why_not is None and named:
        why_not = f"{named[0]} sets a different encoder than the reference's"
    if why_not is None and shape.layers > conf["num_blocks"]:
        why_not = f"the reference has only {counted(conf['num_blocks'], 'layer')}"
    if why_not is None and shape.width > conf.get("output_size", 256):
        why_not = "the reference is narrower"
    if why_not is not None:
        logging.info("%s starts from random weights: %s", shape, why_not)
        return "random"
    logging.info(
        "%s starts from the reference's first layers, cut to width %d",
        shape,
        shape.width,
    )
    return "first"
