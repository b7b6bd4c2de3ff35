"""Make an ESPnet experiment with Whisper's encoder and a CTC layer, for fine-tuning.

Reads OpenAI Whisper's file and needs no network; conf/whisper_reference.yaml starts
from the result.
"""

import argparse
import sys
from pathlib import Path

from espnet_plugin.bin.arguments import MOST_SEED, of_recipe, whole
from espnet_plugin.bin.run import run_command
from espnet_plugin.exact_parser import ExactParser

__all__ = ["get_parser", "main"]


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = ExactParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add(
        "--weights",
        type=Path,
        required=True,
        help="file of OpenAI Whisper, e.g. tiny.en.pt, or a .safetensors with its "
        "encoder",
    )
    add("--token_list", type=Path, required=True, help="tokens.txt of the recipe")
    add("--token_type", **of_recipe("token_type"))
    add("--bpemodel", type=Path, help="bpe.model that belongs to the tokens")
    add("--output_dir", type=Path, default=Path("exp/whisper_start"))
    add(
        "--seed",
        type=whole(0, MOST_SEED),
        default=1,
        help="seed for the weights of the CTC layer",
    )
    return parser


def write_start(args: argparse.Namespace) -> None:
    """Write the experiment."""
    # Imported here, because ESPnet takes seconds, and options are checked before.
    from espnet_plugin.reference.whisper_start import write_whisper_start

    write_whisper_start(
        args.weights,
        args.token_list,
        args.output_dir,
        args.token_type,
        args.bpemodel,
        args.seed,
    )


def main(cmd=None) -> int:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    return run_command(lambda: write_start(args))


if __name__ == "__main__":
    sys.exit(main())
