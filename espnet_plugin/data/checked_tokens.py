"""The record of transcripts that were checked against a list of tokens."""

from pathlib import Path

from espnet_plugin.experiment.meaning import meaning_of_all
from espnet_plugin.files import file_checksum, write_lines

__all__ = ["note_checked", "was_checked"]

_NAME = "tokens.sha256"


def note_checked(folder: Path, token_list: Path) -> None:
    """Record that the transcripts in a folder were checked against this list."""
    path = folder / _NAME
    noted = _read(path) if path.is_file() else []
    lines = dict.fromkeys([*noted, *_lines(folder, token_list)])
    if len(lines) > len(noted):
        write_lines(path, lines)


def was_checked(folder: Path, token_list: Path) -> bool:
    """Return whether the transcripts in a folder were checked against this list.

    This is also true if there is no record, as in dumps of other recipes.
    """
    path = folder / _NAME
    if not path.exists():
        return True
    return not set(_lines(folder, token_list)).isdisjoint(_read(path))


def _read(path: Path) -> list[str]:
    # A damaged line is one of no list.
    return path.read_text(encoding="utf-8", errors="replace").splitlines()


def _lines(folder: Path, token_list: Path) -> list[str]:
    """Return the lines of the record, of which one is enough."""
    files = (token_list, folder / "text")
    # Earlier versions only have the first.
    return [" ".join(map(file_checksum, files)), f"means {meaning_of_all(files)}"]
