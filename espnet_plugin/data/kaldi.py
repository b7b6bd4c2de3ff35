"""Kaldi data folders: wav.scp, text, utt2spk, read and checked as a whole."""

from dataclasses import dataclass
from pathlib import Path
from typing import Union

from espnet_plugin.errors import UserError
from espnet_plugin.files import read_pairs, write_lines

__all__ = ["DataDir", "complain", "read_data_dir", "speech_input", "write_data_dir"]


@dataclass
class DataDir:
    """One set of a corpus: tables by utterance name, in one order."""

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


def read_data_dir(folder: Union[str, Path]) -> DataDir:
    """Read and cross-check a data folder.

    Raises:
        UserError: If the folder or a table is missing or empty, a transcript is empty,
            or the tables name different utterances.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder} is missing: run stage 1 (data preparation) first")
    data = DataDir(*(read_pairs(folder / n) for n in ("wav.scp", "text", "utt2spk")))
    if not data.audio:
        raise UserError(f"{folder}/wav.scp is empty: the corpus has no utterance")
    problems = {}
    for utt in {**data.audio, **data.text, **data.utt2spk}:
        for name, table in (
            ("wav.scp", data.audio),
            ("text", data.text),
            ("utt2spk", data.utt2spk),
        ):
            if utt not in table:
                problems[utt] = f"is not in {name}"
            elif not table[utt].strip():
                problems[utt] = f"has nothing beside it in {name}"
    if problems:
        raise complain(str(folder), problems, "Mend the tables, then run it again.")
    return data


def write_data_dir(folder: Union[str, Path], data: DataDir) -> None:
    """Write the tables and ``spk2utt``, sorted by utterance as Kaldi wants them."""
    folder = Path(folder)
    for name, table in (
        ("wav.scp", data.audio),
        ("text", data.text),
        ("utt2spk", data.utt2spk),
    ):
        write_lines(folder / name, (f"{utt} {table[utt]}" for utt in sorted(table)))
    speakers: dict[str, list[str]] = {}
    for utt in sorted(data.utt2spk):
        speakers.setdefault(data.utt2spk[utt], []).append(utt)
    write_lines(
        folder / "spk2utt", (f"{s} {' '.join(speakers[s])}" for s in sorted(speakers))
    )


def speech_input(folder: Union[str, Path]) -> tuple[str, str]:
    """Return which table of a dump lists the inputs, and as what ESPnet reads it.

    Stage 2 of this plugin and stages 3 and 4 of ``asr.sh`` say it in ``feats_type`` and
    ``audio_format``: ``raw`` audio is ``kaldi_ark`` where the format has "ark" in it,
    ``fbank`` are this plugin's ``.npy`` files, other features are Kaldi's.

    Raises:
        UserError: If the folder is no dump.
    """
    folder = Path(folder)
    texts = {}
    for name in ("feats_type", "audio_format"):
        path = folder / name
        texts[name] = path.read_text().strip() if path.is_file() else ""
    if not texts["feats_type"]:
        raise UserError(
            f"{folder}/feats_type is not there: run stage 2 for the set {folder.name!r}"
        )
    if texts["feats_type"] == "raw":
        return "wav.scp", "kaldi_ark" if "ark" in texts["audio_format"] else "sound"
    own = texts["feats_type"] == "fbank" or texts["audio_format"] == "npy"
    return "feats.scp", "npy" if own else "kaldi_ark"
