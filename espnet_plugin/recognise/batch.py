"""Several files; a bad one does not affect the others."""

import logging
import os
import sys
from pathlib import Path
from typing import Callable, Optional, Sequence

from espnet_plugin.errors import UserError
from espnet_plugin.files import write_text
from espnet_plugin.recognise.formats import FORMATS, SUFFIXES, one_line
from espnet_plugin.recognise.transcript import Transcript

__all__ = ["check_output_dir", "each_file", "output_paths", "recognise_files"]


def recognise_files(
    recognise: Callable[[str], Transcript],
    files: Sequence[str],
    output_format: str = "text",
    output_dir: Optional[Path] = None,
) -> None:
    """Recognise files and print what was recognised, or write a file of each.

    On standard output ``text`` is one line a file, in their order, empty for one that
    failed; ``json`` is one line a file, of one that failed with ``file`` and ``error``.

    Args:
        recognise: Recognises one file.
        files: Their paths.
        output_format: One of ``FORMATS``.
        output_dir: Where ``<name>.txt``, ``.json`` or ``.srt`` go.

    Raises:
        UserError: After all the others, if some could not be recognised.
    """
    written = output_paths(files, output_format, output_dir)

    def one(file: str) -> None:
        content = FORMATS[output_format](recognise(file))
        if written is None:
            print(content, flush=True)
        else:
            write_text(written[file], content + "\n" if content else "")
            logging.info("%s: written to %s", file, written[file])

    def failed(file: str, error: UserError) -> None:
        if written is None and output_format == "json":
            print(one_line({"file": file, "error": str(error)}))
        elif written is None and output_format == "text" and len(files) > 1:
            print(flush=True)

    each_file(one, files, failed)


def each_file(
    work: Callable[[str], None],
    files: Sequence[str],
    failed: Callable[[str, UserError], None] = lambda file, error: None,
) -> None:
    """Do ``work`` for each file; those that cannot be used are named at the end.

    Args:
        work: Raises a UserError for a file that cannot be used.
        files: Their paths.
        failed: Called with such a file and its error.

    Raises:
        UserError: The error of the file if there is only one; else how many failed.
    """
    bad = []
    for file in files:
        try:
            work(file)
        except UserError as error:
            if len(files) == 1:
                failed(file, error)
                raise
            logging.error("%s", error)
            failed(file, error)
            bad.append(file)
    sys.stdout.flush()
    if bad:
        raise UserError(
            f"{len(bad)} of {len(files)} files were not recognised: "
            f"{', '.join(bad)}; the reasons are above"
        )


def output_paths(
    files: Sequence[str], output_format: str, output_dir: Optional[Path]
) -> Optional[dict[str, Path]]:
    """Return where the transcript of each file goes; None: to standard output.

    Raises:
        UserError: If two would be one file, if a file of that name is beside the
            audio, if the folder cannot be written, or if subtitles of several would be
            joined.
    """
    if output_dir is None:
        if output_format == "srt" and len(files) > 1:
            raise UserError(
                f"--format srt with {len(files)} files: subtitles cannot be joined; "
                "give --output_dir, to get one file for each"
            )
        return None
    check_output_dir(output_dir)
    paths: dict[str, Path] = {}
    for file in files:
        path = Path(output_dir) / f"{Path(file).stem}{SUFFIXES[output_format]}"
        other = next((name for name in paths if paths[name] == path), None)
        if other is not None and other != file:
            raise UserError(
                f"--output_dir {output_dir}: {other} and {file} would both be written "
                f"to {path}; recognise them in two calls with different folders"
            )
        if path.exists() and path.resolve().parent == Path(file).resolve().parent:
            raise UserError(
                f"--output_dir {output_dir}: {path} exists beside {file}, and may be "
                "its transcript: choose another folder, or move that file"
            )
        paths[file] = path
    return paths


def check_output_dir(folder: Path) -> None:
    """Check that files can be written into a folder, which may not be there yet.

    Raises:
        UserError: If something else has its name, or it cannot be written.
    """
    there = Path(folder)
    while not os.path.lexists(there) and there != there.parent:
        there = there.parent
    if not there.is_dir():
        raise UserError(
            f"--output_dir {folder}: {there} is not a folder; choose another one"
        )
    if not os.access(there, os.W_OK | os.X_OK):
        raise UserError(
            f"--output_dir {folder}: {there} cannot be written; choose another one"
        )
