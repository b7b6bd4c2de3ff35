"""Check training configurations before the first stage of a recipe.

    python -m espnet_plugin.bin.check_configs TASK:OPTION:FILE... [--record RECORD]

TASK is asr, encrl, dual_mode, ssl or lm, OPTION the option that names the file.
Nothing is trained. A configuration that was found right is not checked again: its
digest is in the file RECORD.
"""

import argparse
import hashlib
import importlib
import json
import logging
import sys
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Optional, Sequence

from espnet_plugin.bin.run import run_command
from espnet_plugin.errors import UserError
from espnet_plugin.exact_parser import ExactParser
from espnet_plugin.files import read_record, write_json
from espnet_plugin.yaml_files import read_yaml

__all__ = ["get_parser", "main"]

_TASKS = {
    "asr": ("espnet_plugin.tasks.asr", "CountedASRTask"),
    "encrl": ("espnet_plugin.tasks.encrl", "EncRLTask"),
    "dual_mode": ("espnet_plugin.tasks.dual_mode", "DualModeASRTask"),
    "lm": ("espnet_plugin.tasks.lm", "CountedLMTask"),
    "ssl": ("espnet_plugin.tasks.dual_mode_ssl", "DualModeSSLTask"),
}


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = ExactParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", metavar="TASK:OPTION:FILE")
    parser.add_argument(
        "--record", type=Path, help="file with the digests of what was found right"
    )
    return parser


def _read(given: str) -> tuple[str, str, Any]:
    task, option, file = given.split(":", 2)
    if task not in _TASKS:
        raise UserError(f"{given}: {task} is not one of {', '.join(_TASKS)}")
    return task, f"{option} {file}", read_yaml(file, option)


@lru_cache(maxsize=1)
def _checks() -> str:
    """Return a digest of the checks themselves: what an older version found right."""
    folder = Path(__file__).parents[1] / "tasks"
    sources = [path.read_bytes() for path in sorted(folder.glob("*.py"))]
    return hashlib.sha256(b"".join(sources)).hexdigest()


def _digest(task: str, content: Any) -> str:
    of = [task, version("espnet"), _checks(), content]
    text = json.dumps(of, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _known(record: Optional[Path]) -> list[str]:
    """Return the digests in a record; none if it is missing or damaged."""
    right = None if record is None else read_record(record).get("right")
    right = right if isinstance(right, list) else []
    return [one for one in right if isinstance(one, str)]


def check(given: Sequence[str], record: Optional[Path]) -> None:
    """Check every file.

    Args:
        given: Task, option and file of each, with colons between them.
        record: File with digests; read and written if it can be.

    Raises:
        UserError: See :func:`espnet_plugin.tasks.configuration.check_configuration`.
    """
    todo = [_read(one) for one in given]
    digests = {_digest(task, content): None for task, _, content in todo}
    known = _known(record)
    if set(digests) <= set(known):
        return
    logging.info("checking the configurations of the trainings")

    from espnet_plugin import host
    from espnet_plugin.tasks.configuration import check_configuration

    host.register()
    for task, where, content in todo:
        module, name = _TASKS[task]
        check_configuration(
            getattr(importlib.import_module(module), name), content, where
        )
    if record is not None:
        try:
            record.parent.mkdir(parents=True, exist_ok=True)
            write_json(record, {"right": sorted({*known, *digests})})
        except OSError:
            pass  # a folder that can only be read: they are checked again next time


def main(cmd=None) -> int:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    return run_command(lambda: check(args.files, args.record))


if __name__ == "__main__":
    sys.exit(main())
