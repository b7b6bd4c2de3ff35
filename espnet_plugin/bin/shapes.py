"""List the sizes of small models that fit a budget of parameters or of computation.

  python -m espnet_plugin.bin.shapes --reference exp/asr_reference --budget 1.5M 0.6M
  python -m espnet_plugin.bin.shapes --reference exp/asr_reference --budget 70MMAC/s

Nothing is trained. The option --budget of a recipe trains and compares them: see
docs/shapes.md.
"""

import argparse
import sys
from pathlib import Path
from typing import Any, Mapping, Optional

from espnet_plugin.bin.arguments import of_recipe, whole
from espnet_plugin.bin.reference_option import add_reference_options, read_reference
from espnet_plugin.bin.run import run_command
from espnet_plugin.errors import UserError
from espnet_plugin.exact_parser import ExactParser
from espnet_plugin.yaml_files import read_yaml


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = ExactParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add_reference_options(parser)
    limits = "limits of parameters (1.5M, 900k) or multiply-adds per second (70MMAC/s)"
    add("--budget", **of_recipe("budget", help=limits))
    add(
        "--vocabulary",
        type=whole(3),
        help="number of tokens, where the reference's configuration does not list them",
    )
    add(
        "--encrl_config",
        type=Path,
        help="EncRL configuration of stage 5, if it describes the students",
    )
    return parser


def run(args: argparse.Namespace) -> None:
    """Print the shapes of each budget.

    Raises:
        UserError: If no budget or no reference is given, or no shape fits.
    """
    files = read_reference(args, trained=False)
    if files is None:
        raise UserError(
            "--reference is needed: give the folder of the model whose smaller "
            "shapes are to be listed, or its training configuration with "
            "--reference_config"
        )
    reference = read_yaml(files.config, "--reference")
    encrl = (
        {}
        if args.encrl_config is None
        else read_yaml(args.encrl_config, "--encrl_config")
    )
    if not args.budget:
        raise UserError(
            "--budget is needed: give one or more limits, e.g. 1.5M 0.6M, or 70MMAC/s"
        )
    vocabulary = _vocabulary(reference, args.vocabulary)
    # Imported here, because ESPnet takes many seconds, and options are checked before.
    from espnet_plugin.estimate.candidates import fitting, list_shapes

    shapes = list_shapes(reference, encrl, vocabulary)
    found = [fitting(shapes, budget) for budget in args.budget]
    for budget, candidates in zip(args.budget, found):
        print(f"{budget.text}:")
        print("layers  width  parameters (M)  MMAC per second of audio")
        for one in candidates:
            print(
                f"{one.shape.layers:6d} {one.width:6d} {one.params / 1e6:15.3f} "
                f"{one.macs_per_second / 1e6:25.1f}"
            )


def _vocabulary(reference: Mapping[str, Any], given: Optional[int]) -> int:
    tokens = reference.get("token_list")
    if given is not None:
        return given
    if isinstance(tokens, list):
        return len(tokens)
    raise UserError(
        "the reference's configuration lists no tokens, but the size of the last "
        "layer depends on their number: give it with --vocabulary"
    )


def main(cmd=None) -> int:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    return run_command(lambda: run(args))


if __name__ == "__main__":
    sys.exit(main())
