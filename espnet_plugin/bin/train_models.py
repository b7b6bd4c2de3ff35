"""Stages 4 and 6: train plain ESPnet models.

Options that this command does not know are passed to ESPnet's ASR training (data,
ngpu...).
"""

import argparse
import sys
from pathlib import Path

from espnet_plugin.bin.arguments import VARIANT_HELP, of_recipe, whole
from espnet_plugin.bin.reference_option import add_reference_options, read_reference
from espnet_plugin.bin.run import run_command
from espnet_plugin.errors import UserError
from espnet_plugin.exact_parser import ExactParser
from espnet_plugin.experiment.meta import REFERENCE_METHOD, Meta
from espnet_plugin.jobs.family import (
    export_direct,
    finetune_family,
    finetune_together,
    layers_of_run,
    write_untrained,
)
from espnet_plugin.jobs.plain import train_plain_model
from espnet_plugin.shape import Shape, shape_option
from espnet_plugin.yaml_files import read_yaml


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = ExactParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add(
        "--kind",
        choices=["reference", "finetune", "together", "direct", "untrained"],
        required=True,
        help="reference: one model, from --config; finetune: a model of each size, "
        "from --encrl_dir; together: all sizes from --encrl_dir in one training; "
        "direct: all sizes from --encrl_dir without further training; untrained: a "
        "reference with random weights, as a negative control",
    )
    add("--config", type=Path, help="training configuration")
    add(
        "--output",
        required=True,
        help="folder (reference) or prefix of the folders (other kinds)",
    )
    add("--encrl_dir", type=Path)
    add_reference_options(parser)
    add("--sizes", **of_recipe("sizes"))
    add("--family", **of_recipe("family", choices=["last", "first", "spaced"]))
    add(
        "--method",
        default="encrl_direct",
        help="name of the models of --kind direct in the tables",
    )
    add(
        "--alone",
        nargs="*",
        type=_size_and_epochs,
        default=[],
        metavar="SIZE:EPOCHS",
        help="with --kind together: sizes that are trained further, separately, and "
        "for how many epochs",
    )
    add(
        "--max_epoch",
        type=whole(1),
        help="number of epochs, instead of the configuration's",
    )
    add("--variant", **of_recipe("variant", help=VARIANT_HELP))
    add("--seed", **of_recipe("seed"))
    return parser


def _size_and_epochs(given: str) -> tuple[Shape, int]:
    size, _, epochs = given.partition(":")
    return shape_option(size), whole(1)(epochs)


def train_models(args: argparse.Namespace, options: list[str]) -> None:
    """Train or write the models."""
    if args.kind == "direct":
        run = _needed(args, "encrl_dir")
        layers = layers_of_run(run, args.sizes)
        export_direct(run, layers, args.family, args.output, args.method)
        return
    if args.kind == "untrained":
        reference = read_reference(args, trained=False)
        if reference is None:
            raise UserError(
                "--reference is needed with --kind untrained: give the folder of the "
                "model whose architecture is used"
            )
        write_untrained(reference.config, Path(args.output), args.seed)
        return
    training = read_yaml(_needed(args, "config"))
    if args.max_epoch is not None:
        training["max_epoch"] = args.max_epoch
    if args.kind == "reference":
        if (training.get("model_conf") or {}).get("ctc_weight") == 0:
            raise UserError(
                f"--config {args.config}: model_conf.ctc_weight 0 trains no CTC "
                "layer, but EncRL and fine-tuning need one: set it above 0, e.g. 0.3"
            )
        meta = Meta(method=REFERENCE_METHOD, variant=args.variant, seed=args.seed)
        options = [*options, "--seed", str(args.seed)]
        train_plain_model(Path(args.output), training, options, meta)
    elif args.kind == "together":
        run = _needed(args, "encrl_dir")
        layers_of_run(run, [shape for shape, _ in args.alone])
        finetune_together(
            run,
            layers_of_run(run, args.sizes),
            training,
            options,
            args.output,
            args.seed,
            {shape.layers: epochs for shape, epochs in args.alone},
        )
    else:
        run = _needed(args, "encrl_dir")
        finetune_family(
            run,
            layers_of_run(run, args.sizes),
            args.family,
            training,
            options,
            args.output,
            args.seed,
        )


def _needed(args: argparse.Namespace, name: str) -> Path:
    if getattr(args, name) is None:
        raise UserError(f"--{name} is needed with --kind {args.kind}")
    return getattr(args, name)


def main(cmd=None) -> int:
    """Run the command."""
    args, options = get_parser().parse_known_args(cmd)
    return run_command(lambda: train_models(args, options))


if __name__ == "__main__":
    sys.exit(main())
