"""Recognise several files; an error in one does not affect the others."""

import logging
import sys
from pathlib import Path
from typing import Callable, Optional, Sequence

from espnet_plugin.errors import UserError
from espnet_plugin.files import write_text
from espnet_plugin.recognise.formats import FORMATS, SUFFIXES, one_line
from espnet_plugin.recognise.transcript import Transcript
from espnet_plugin.writable import check_writable

__all__ = ["each_file", "output_paths", "recognise_files"]


def recognise_files(
    recognise: Callable[[str], Transcript],
    files: Sequence[str],
    output_format: str = "text",
    output_dir: Optional[Path] = None,
) -> None:
    """Recognise files, and print the transcripts or write one file for each.

    On standard output, ``text`` and ``json`` are one line for each file in the given
    order. For a file that failed, the line of ``text`` is empty and the line of
    ``json`` has ``file`` and ``error``.

    Args:
        recognise: Function that recognises the file with a given path.
        files: Paths of the files.
        output_format: One of ``FORMATS``.
        output_dir: Folder for ``<name>.txt``, ``.json`` or ``.srt``; standard output if
            None.

    Raises:
        UserError: If a file could not be recognised, after all others are done.
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
    """Call ``work`` for each file, and report the files that failed at the end.

    Args:
        work: Function of a path that raises a UserError if the file cannot be used.
        files: Paths of the files.
        failed: Called with the path and the error of a file that failed.

    Raises:
        UserError: If a file failed: its own error if it is the only file, else the
            number and names of those that failed.
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
    """Return the path of the transcript of each file; None for standard output.

    Raises:
        UserError: If two transcripts would have the same path, a file of that name is
            beside the audio, the folder cannot be written, or subtitles of several
            files would go to standard output.
    """
    if output_dir is None:
        if output_format == "srt" and len(files) > 1:
            raise UserError(
                f"--format srt with {len(files)} files: subtitles cannot be joined; "
                "give --output_dir, to get one file for each"
            )
        return None
    check_writable(output_dir, "--output_dir")
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
