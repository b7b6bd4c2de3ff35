"""Error rates of a test set and a development set, from what decoding left."""

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
    """Which scores count, where a folder has several."""

    #: Folder of the decoding with or without ``decode_``; None: best_path for folders
    #: of this plugin, the only one there is for others.
    decoding: Optional[str] = None
    #: None: test for folders of this plugin, the only one besides the development set
    #: for others. Empty: there is no test set.
    test_set: Optional[str] = None
    #: Name of the development set, with or without ``org/``.
    dev_set: str = "dev"
    #: Where stage 2 put the sets; scores of other data than is there now do not count.
    #: None: they are not compared with it.
    dump_dir: Optional[Path] = None


def read_score(decoded: DecodedSet, folder: Path, missing: list[str]) -> Score:
    """Read score.json, or count from ESPnet's transcripts where there is none.

    Args:
        decoded: The decoded set.
        folder: The experiment, for the notes.
        missing: Gets a note for what is not there.

    Returns:
        The keys of score.json; none where there is no score.
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
    """Return what a row holds of two scores, and what the first was made on."""
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
    """Return the utterances by name, and what each is drawn with."""
    entries = sorted(score["per_utterance"], key=lambda entry: entry["utt"])
    key = "spk" if _unit(score) == "speaker" else "utt"
    return entries, [entry[key] for entry in entries]


def _sums(entries: list[dict[str, Any]], units: Sequence[str], key: str) -> Numbers:
    return tuple(sum_by_unit([entry[key] for entry in entries], units).tolist())
