"""Stage 7, first half: decode sets with a model and write ESPnet's result files."""

import argparse
import sys
from pathlib import Path

from espnet_plugin.bin.arguments import of_recipe, whole
from espnet_plugin.bin.run import run_command
from espnet_plugin.exact_parser import ExactParser
from espnet_plugin.recipe.options.dualmode import DualmodeOptions


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = ExactParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("--asr_train_config", type=Path, required=True, help="the model's config.yaml")
    add("--asr_model_file", type=Path, required=True, help="the model's checkpoint")
    add(
        "--data_path_and_name_and_type",
        action="append",
        required=True,
        help="speech of a set, as FILE,NAME,TYPE, e.g. "
        "dump/raw/test/wav.scp,speech,sound; give it once per set",
    )
    add(
        "--key_file",
        type=Path,
        action="append",
        help="file that lists the utterances to decode, in the order of the output; "
        "once per set",
    )
    add(
        "--output_dir",
        type=Path,
        action="append",
        required=True,
        help="folder for the results; once per set",
    )
    add("--method", **of_recipe("decoding", DualmodeOptions))
    add(
        "--batch_size",
        type=whole(1),
        default=16,
        help="utterances per batch, for best_path",
    )
    add("--num_threads", type=whole(1), help="CPU threads for torch")
    add("--ngpu", **of_recipe("ngpu", help="number of GPUs; 0 decodes on the CPU"))
    add(
        "--overwrite",
        action="store_true",
        help="decode again even if it is already done",
    )
    return parser


def decode(args: argparse.Namespace) -> None:
    """Decode the sets."""
    # Imported here, because ESPnet takes seconds, and options are checked before.
    from espnet_plugin.decode.run import decode_model
    from espnet_plugin.decode.sets import DecodeSet
    from espnet_plugin.errors import UserError

    keys = args.key_file or [None] * len(args.output_dir)
    counts = {len(args.output_dir), len(args.data_path_and_name_and_type), len(keys)}
    if len(counts) != 1:
        raise UserError(
            "--data_path_and_name_and_type, --output_dir and --key_file (where "
            "given) must each be given once per set, but were given "
            f"{len(args.data_path_and_name_and_type)}, {len(args.output_dir)} and "
            f"{len(keys)} times"
        )
    sets = [
        DecodeSet(output_dir.name, [data], output_dir, key_file)
        for data, output_dir, key_file in zip(
            args.data_path_and_name_and_type, args.output_dir, keys
        )
    ]
    decode_model(
        args.asr_train_config,
        args.asr_model_file,
        sets,
        method=args.method,
        batch_size=args.batch_size,
        num_threads=args.num_threads,
        ngpu=args.ngpu,
        overwrite=args.overwrite,
    )


def main(cmd=None) -> int:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    return run_command(lambda: decode(args))


if __name__ == "__main__":
    sys.exit(main())
