"""Tables of a dump in another recipe, with paths that are valid from this recipe."""

import logging
import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from espnet_plugin.errors import UserError
from espnet_plugin.files import read_pairs, write_lines

__all__ = [
    "OTHER_TABLES",
    "DumpSet",
    "absolute_entry",
    "file_of_entry",
    "link_set",
    "read_entries",
]

# "raw.ark:1234", also with Kaldi's range of rows; the file name may contain colons.
_OFFSET = re.compile(r":\d+(\[[\d:,]*\])?$")
OTHER_TABLES = ("text", "utt2spk", "spk2utt", "utt2num_samples", "feats_shape")
_SHOWN = 5


@dataclass(frozen=True)
class DumpSet:
    """One set in a dump.

    Attributes:
        name: Name of the set.
        scp: Path of its ``wav.scp`` or ``feats.scp``.
        text: Path of its transcripts.
        kind: Type by which ESPnet reads ``scp``: ``sound``, ``kaldi_ark`` or ``npy``.
    """

    name: str
    scp: Path
    text: Path
    kind: str


def read_entries(path: Path) -> dict[str, str]:
    """Read ``wav.scp`` or ``feats.scp``.

    Returns:
        The file, archive with offset, or command of each utterance, by its id.

    Raises:
        UserError: If the file is missing or empty, is not UTF-8, has a name twice, or
            a line without a path.
    """
    entries: dict[str, str] = {}
    try:
        with open(path, encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):
                fields = line.strip().split(maxsplit=1)
                if len(fields) == 1:
                    raise UserError(
                        f"{path}:{number}: {fields[0]!r} has no path: run stages 3 and "
                        "4 of that recipe's asr.sh again"
                    )
                if fields and fields[0] in entries:
                    raise UserError(
                        f"{path}:{number}: {fields[0]!r} is listed twice: run stages 3 "
                        "and 4 of that recipe's asr.sh again"
                    )
                if fields:
                    entries[fields[0]] = fields[1]
    except UnicodeDecodeError:
        read_pairs(path)  # which says how to convert it
        raise
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}): run stages 3 and 4 of that "
            "recipe's asr.sh, or name the folder of its sets with --recipe_dump"
        ) from error
    if not entries:
        raise UserError(f"{path} is empty: run stages 3 and 4 of that recipe's asr.sh")
    return entries


def file_of_entry(entry: str) -> str:
    """Return the file that an entry names; empty for a command."""
    return "" if entry.endswith("|") else _OFFSET.sub("", entry)


def absolute_entry(entry: str, root: Path) -> str:
    """Return an entry that means the same from any current folder.

    Args:
        entry: A file, ``archive.ark:offset``, or a command that ends with ``|``.
        root: The absolute folder to which relative paths refer.
    """
    if entry.endswith("|"):
        return f"cd {shlex.quote(str(root))} && ( {entry[:-1].strip()} ) |"
    return entry if os.path.isabs(entry) else str(root / entry)


def link_set(dump_set: DumpSet, root: Path, folder: Path, utterances=None) -> int:
    """Write the tables of a set of another recipe so that this recipe can read them.

    Args:
        dump_set: The set.
        root: Absolute folder of the other recipe, to which its relative paths refer.
        folder: Receives the table with absolute paths, ``feats_type`` and
            ``audio_format``, and links to the other tables.
        utterances: Ids of utterances that the set must have; None: any.

    Returns:
        Number of utterances.

    Raises:
        UserError: If files or utterances are missing.
    """
    entries = read_entries(dump_set.scp)
    _check_files(dump_set, entries, root)
    if not dump_set.text.is_file():
        raise UserError(f"{dump_set.text} is missing: run stage 4 of that recipe")
    if utterances is not None:
        _check_utterances(dump_set, entries, utterances)
    else:
        _check_transcripts(dump_set, entries)
    write_lines(
        folder / dump_set.scp.name,
        (f"{name} {absolute_entry(entry, root)}" for name, entry in entries.items()),
    )
    for name in OTHER_TABLES:
        source = dump_set.text if name == "text" else dump_set.scp.parent / name
        link = folder / name
        link.unlink(missing_ok=True)
        if source.is_file():
            link.symlink_to(source.resolve())
    is_audio = dump_set.scp.name == "wav.scp"
    write_lines(folder / "feats_type", ["raw" if is_audio else "extracted"])
    # As in asr.sh: a table with "ark" in its format is read as kaldi_ark.
    kind = {"sound": "wav", "kaldi_ark": "ark", "npy": "npy"}[dump_set.kind]
    write_lines(folder / "audio_format", [kind])
    return len(entries)


def _check_transcripts(dump_set: DumpSet, entries: dict[str, str]) -> None:
    """Check now what scoring would find after the trainings."""
    texts = read_pairs(dump_set.text)
    lacking = [name for name in entries if name not in texts]
    if lacking or not entries:
        example = f", e.g. {lacking[0]}" if lacking else ""
        raise UserError(
            f"{dump_set.text} lacks {len(lacking)} of the {len(entries)} utterances of "
            f"{dump_set.scp}{example}: run stages 3 and 4 of that recipe again, or "
            "name other sets with --recipe_test_sets"
        )


def _check_files(dump_set: DumpSet, entries: dict[str, str], root: Path) -> None:
    there: dict[str, bool] = {"": True}
    missing = []
    for name, entry in entries.items():
        file = file_of_entry(entry)
        if file not in there:
            there[file] = (root / file).is_file()
        if not there[file]:
            missing.append(f"{name}: {file}")
    commands = sum(entry.endswith("|") for entry in entries.values())
    if commands:
        logging.info(
            "%s: %d of %d utterances come from commands, which run in every epoch",
            dump_set.scp,
            commands,
            len(entries),
        )
        if dump_set.kind == "sound":
            raise UserError(
                f"{dump_set.scp} has commands (... |), which ESPnet cannot read as "
                "type sound: run stage 3 of that recipe with --feats_type raw"
            )
    if missing:
        first = "".join(f"\n  {line}" for line in missing[:_SHOWN])
        more = f"\n  and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise UserError(
            f"{dump_set.scp}: the files of {len(missing)} of {len(entries)} utterances "
            f"are missing{first}{more}\nRelative paths refer to {root}. Restore the "
            "files or link them there, or name another dump with --recipe_dump"
        )


def _check_utterances(dump_set: DumpSet, entries: dict[str, str], utterances) -> None:
    texts = read_pairs(dump_set.text)
    missing = [name for name in utterances if name not in entries or name not in texts]
    if missing:
        raise UserError(
            f"{dump_set.scp} and {dump_set.text} lack {len(missing)} of the "
            f"{len(utterances)} utterances that the statistics count, e.g. "
            f"{', '.join(missing[:3])}. The set seems to have been made again after "
            "stage 10: run stages 10 and 11 of that recipe again, or name other "
            "statistics with --recipe_stats"
        )
