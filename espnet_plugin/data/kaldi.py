"""Kaldi data folders: wav.scp, text, utt2spk, read and checked as a whole."""

from dataclasses import dataclass
from pathlib import Path
from typing import Sequence, Union

from espnet_plugin.errors import UserError
from espnet_plugin.files import read_pairs, write_lines

__all__ = ["DataDir", "complain", "join_sets", "read_data_dir", "write_data_dir"]


@dataclass
class DataDir:
    """One set of a corpus: tables by utterance name, in one order.

    Audio without transcripts has an empty ``text``.
    """

    audio: dict[str, str]
    text: dict[str, str]
    utt2spk: dict[str, str]


def complain(where: str, problems: dict[str, str], way_out: str) -> UserError:
    """Return an error that counts ``problems`` (by utterance) and shows the first."""
    shown = "\n".join(f"  {utt}: {what}" for utt, what in list(problems.items())[:5])
    more = f"\n  and {len(problems) - 5} more" if len(problems) > 5 else ""
    return UserError(
        f"{where}: {len(problems)} bad utterance(s)\n{shown}{more}\n{way_out}"
    )


def read_data_dir(folder: Union[str, Path], labelled: bool = True) -> DataDir:
    """Read and cross-check a data folder.

    Args:
        folder: With ``wav.scp``, ``text`` and ``utt2spk``.
        labelled: Otherwise ``text`` is not looked at, and every utterance is a speaker
            of its own where ``utt2spk`` is missing.

    Raises:
        UserError: If the folder or a table is missing or empty, a transcript is empty,
            or the tables name different utterances.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder} is missing: run stage 1 (data preparation) first")
    audio = read_pairs(folder / "wav.scp")
    text = read_pairs(folder / "text") if labelled else {}
    if labelled or (folder / "utt2spk").is_file():
        utt2spk = read_pairs(folder / "utt2spk")
    else:
        utt2spk = {utt: utt for utt in audio}
    data = DataDir(audio, text, utt2spk)
    if not data.audio:
        raise UserError(f"{folder}/wav.scp is empty: the corpus has no utterance")
    problems = {}
    for utt in {**data.audio, **data.text, **data.utt2spk}:
        for name, table in _tables(data, labelled):
            if utt not in table:
                problems[utt] = f"is not in {name}"
            elif not table[utt].strip():
                problems[utt] = f"has nothing beside it in {name}"
    if problems:
        raise complain(str(folder), problems, "Mend the tables, then run it again.")
    return data


def _tables(data: DataDir, labelled: bool) -> list[tuple[str, dict[str, str]]]:
    tables = [("wav.scp", data.audio), ("utt2spk", data.utt2spk)]
    if labelled:
        tables.insert(1, ("text", data.text))
    return tables


def join_sets(parts: Sequence[Path], target: Path, tables: Sequence[str]) -> None:
    """Write the tables of several formatted sets as those of one.

    Args:
        parts: Folders with these tables.
        target: The folder to write.
        tables: Their names, e.g. ``wav.scp`` and ``utt2num_samples``.

    Raises:
        UserError: If two sets have an utterance of the same name.
    """
    for name in tables:
        joined: dict[str, str] = {}
        for part in parts:
            table = read_pairs(part / name)
            twice = sorted(joined.keys() & table.keys())
            if twice:
                raise UserError(
                    f"{part}/{name}: {twice[0]} and {len(twice) - 1} more stand in "
                    "another of the sets as well: give their utterances other names"
                )
            joined.update(table)
        write_lines(target / name, (f"{utt} {joined[utt]}" for utt in sorted(joined)))


def write_data_dir(folder: Union[str, Path], data: DataDir) -> None:
    """Write the tables and ``spk2utt``, sorted by utterance as Kaldi wants them."""
    folder = Path(folder)
    for name, table in _tables(data, labelled=bool(data.text)):
        write_lines(folder / name, (f"{utt} {table[utt]}" for utt in sorted(table)))
    speakers: dict[str, list[str]] = {}
    for utt in sorted(data.utt2spk):
        speakers.setdefault(data.utt2spk[utt], []).append(utt)
    write_lines(
        folder / "spk2utt", (f"{s} {' '.join(speakers[s])}" for s in sorted(speakers))
    )
