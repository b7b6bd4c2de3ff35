"""Stage 4: import a reference model from an experiment folder or a packed model."""

import argparse
import logging
import os
import sys
from pathlib import Path

from espnet_plugin.bin.run import run_command
from espnet_plugin.exact_parser import ExactParser
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.files import locked, read_record, write_json
from espnet_plugin.reference.model_zoo import is_model_name
from espnet_plugin.reference.named import check_reference

# Statistics, BPE model and token list are in the same folder, or the import names them.
_DECISIVE = ("*.pth", "*.yaml", "*.npz", "*.model", "*.txt")


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = ExactParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add(
        "--reference",
        type=Path,
        required=True,
        help="ESPnet ASR experiment folder, a .zip written by espnet2.bin.pack, or a "
        "name in ESPnet's model zoo",
    )
    add("--output_dir", type=Path, default=Path("exp/asr_reference"))
    add(
        "--reference_model_file",
        help="file name of the checkpoint in it, e.g. valid.acc.ave.pth; default: "
        "the best average",
    )
    return parser


def import_model(args: argparse.Namespace) -> None:
    """Import the reference, unless it is imported already."""
    source = _describe(args.reference)
    if _is_there(args, source):
        return
    # Imported here, because ESPnet takes seconds, and options are checked before.
    check_reference(str(args.reference), args.reference_model_file or "")
    from espnet_plugin.reference.importing import import_reference

    # Jobs side by side want it at once; the second finds what the first imported.
    with locked(args.output_dir.parent):
        if _is_there(args, source):
            return
        import_reference(args.reference, args.output_dir, args.reference_model_file)
        write_json(Experiment(args.output_dir).source_file, source)


def _is_there(args: argparse.Namespace, source: dict[str, list[int]]) -> bool:
    if not _is_imported(args, source):
        return False
    logging.info("%s already holds this reference", args.output_dir)
    return True


def _describe(reference: Path) -> dict[str, list[int]]:
    """Return size and time of a reference's files; empty for a name in the zoo."""
    files = [reference] if reference.is_file() else []
    if reference.is_dir():
        # Files of a pack are in sub-folders, in which experiments have thousands of
        # files.
        packed = Experiment(reference).pack_file.is_file()
        find = reference.rglob if packed else reference.glob
        found = (path for pattern in _DECISIVE for path in find(pattern))
        files = sorted(path for path in found if path.is_file())  # no dead links
    states = {os.path.abspath(path): path.stat() for path in files}
    return {path: [s.st_size, s.st_mtime_ns] for path, s in states.items()}


def _is_imported(args: argparse.Namespace, source: dict[str, list[int]]) -> bool:
    """Return whether the records match; otherwise the import compares the content."""
    made = Experiment(args.output_dir)
    known = made.find_meta()
    if known is None or args.reference_model_file not in (None, known.checkpoint):
        return False
    if args.reference.resolve() == args.output_dir.resolve():
        return True  # named by what it was imported into
    if not made.source_file.is_file():
        return False
    name = str(args.reference)
    if is_model_name(name):
        return known.source == name
    return bool(source) and read_record(made.source_file) == source


def main(cmd=None) -> int:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    return run_command(lambda: import_model(args))


if __name__ == "__main__":
    sys.exit(main())
