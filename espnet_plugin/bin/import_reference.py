"""Stage 4: take over a reference model from an experiment folder or a packed model."""

import argparse
import sys
from pathlib import Path

from espnet_plugin.bin.run import run_command


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add(
        "--reference",
        type=Path,
        required=True,
        help="ESPnet ASR experiment folder, .zip as espnet2.bin.pack writes it, or a "
        "name in ESPnet's model zoo",
    )
    add("--output_dir", type=Path, default=Path("exp/asr_reference"))
    add(
        "--reference_model_file",
        help="name of the checkpoint there, e.g. valid.acc.ave.pth; "
        "otherwise the best average is chosen",
    )
    return parser


def import_model(args: argparse.Namespace) -> None:
    """Do the work."""
    # ESPnet takes seconds to import; wrong options should not wait for it.
    from espnet_plugin.distill.reference import import_reference

    import_reference(args.reference, args.output_dir, args.reference_model_file)


def main(cmd=None) -> int:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    return run_command(lambda: import_model(args))


if __name__ == "__main__":
    sys.exit(main())
