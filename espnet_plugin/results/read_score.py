"""Read the error rates of test and development sets from decoded sets."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Sequence

from espnet_plugin.experiment.decoded import DecodedSet
from espnet_plugin.results.folder_file import read_or_note
from espnet_plugin.results.row import Interval, Numbers, Quality, TestSet
from espnet_plugin.score.bootstrap import bootstrap_interval, sum_by_unit
from espnet_plugin.score.trn import score_trn

__all__ = ["Score", "ScoreChoice", "quality_of", "read_score"]

Score = dict[str, Any]


@dataclass(frozen=True)
class ScoreChoice:
    """Which scores of a folder are used."""

    #: Folder of the decoding with or without ``decode_``; None: best_path for folders
    #: of this plugin, the only one for other folders.
    decoding: Optional[str] = None
    #: Name of the test set. None: test for folders of this plugin, the only set except
    #: the development set for other folders. Empty: there is no test set.
    test_set: Optional[str] = None
    #: Name of the development set, with or without ``org/``.
    dev_set: str = "dev"
    #: Folder of the sets written by stage 2; scores of data that has changed since are
    #: not used. None: this is not checked.
    dump_dir: Optional[Path] = None


def read_score(decoded: DecodedSet, folder: Path, missing: list[str]) -> Score:
    """Read score.json, or score ESPnet's transcripts if it does not exist.

    Args:
        decoded: The decoded set.
        folder: The experiment, for the notes.
        missing: Receives a note for a missing score.

        Returns:
            The content of score.json; empty if there is no score.
    """
    found = [decoded.transcripts(unit)[0] for unit in ("word", "char")]
    found = [trn for trn in found if trn.is_file()]
    if decoded.is_scored or not found:
        score = read_or_note(decoded.score_file, folder, missing)
    elif not found[0].read_text(encoding="utf-8", errors="replace").strip():
        score = {"utterances": 0}
    else:
        score = score_trn(decoded.folder)
    if 0 in (score.get("words"), score.get("utterances")):
        missing.append(f"a score on the set {decoded.name!r}, which is empty")
        return {}
    return score


def quality_of(test: Score, dev: Score) -> tuple[Quality, Optional[TestSet]]:
    """Return the part of a row with two scores, and the test set of the first."""
    figures: dict[str, Any] = {
        "test_wer": test.get("wer"),
        "test_words": test.get("words"),
        "wer_ci95": _interval(test, "wer_ci95"),
        "test_cer": test.get("cer"),
        "cer_ci95": _interval(test, "cer_ci95"),
        "error_unit": test.get("error_unit"),
        "dev_wer": dev.get("wer"),
        "dev_wer_ci95": _interval(dev, "wer_ci95"),
    }
    if dev.get("per_utterance"):
        entries, units = _entries_and_units(dev)
        figures["dev_errors_by_unit"] = _sums(entries, units, "errors")
        figures["dev_words_by_unit"] = _sums(entries, units, "words")
    if not test.get("per_utterance"):
        return Quality(**figures), None
    entries, units = _entries_and_units(test)
    figures["bootstrap_unit"] = _unit(test)
    figures["test_errors_by_unit"] = _sums(entries, units, "errors")
    figures["test_words_by_unit"] = _sums(entries, units, "words")
    if all("chars" in entry for entry in entries):
        figures["test_char_errors_by_unit"] = _sums(entries, units, "char_errors")
        figures["test_chars_by_unit"] = _sums(entries, units, "chars")
    speakers = [entry.get("spk") for entry in entries]
    if None not in speakers and len(set(speakers)) > 1:
        counts = [_sums(entries, speakers, key) for key in ("errors", "words")]
        figures["test_errors_by_speaker"], figures["test_words_by_speaker"] = counts
        figures["wer_ci95_speakers"] = bootstrap_interval(*counts)
    names, words = zip(*((entry["utt"], entry["words"]) for entry in entries))
    return Quality(**figures), TestSet(names, words)


def _interval(score: Score, key: str) -> Optional[Interval]:
    return tuple(score[key]) if score.get(key) else None


def _unit(score: Score) -> str:
    return score.get("bootstrap", {}).get("unit", "utterance")


def _entries_and_units(score: Score) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the utterances by name, and the bootstrap unit of each."""
    entries = sorted(score["per_utterance"], key=lambda entry: entry["utt"])
    key = "spk" if _unit(score) == "speaker" else "utt"
    return entries, [entry[key] for entry in entries]


def _sums(entries: list[dict[str, Any]], units: Sequence[str], key: str) -> Numbers:
    return tuple(sum_by_unit([entry[key] for entry in entries], units).tolist())
