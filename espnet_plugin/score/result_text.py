"""Format a score as text: a summary with sclite's columns, and aligned errors."""

from pathlib import Path
from typing import Union

import jiwer

from espnet_plugin.experiment.decoded import DecodedSet
from espnet_plugin.files import write_json, write_text
from espnet_plugin.score.values import Counts, Score, UtteranceScore
from espnet_plugin.text import clean_text

__all__ = ["result_text", "summary_table", "write_score"]

_HEADER = "|dataset|Snt|Wrd|Corr|Sub|Del|Ins|Err|S.Err|\n" + 9 * "|---" + "|"


def summary_table(score: Score, dataset: str, unit: str = "word") -> str:
    """Return a table as in ESPnet's RESULTS.md; all but Snt and Wrd are in percent.

    Args:
        score: A scored set.
        dataset: Name of the set.
        unit: "word" or "char"; with "char", Wrd is the number of characters with
        spaces.
    """
    counts = _total(score, unit)
    wrong = sum(1 for u in score.utterances if _of(u, unit).errors)
    shares = [
        100.0 * part / counts.reference
        for part in (
            counts.correct,
            counts.substitutions,
            counts.deletions,
            counts.insertions,
            counts.errors,
        )
    ]
    shares.append(100.0 * wrong / len(score.utterances))
    cells = [dataset, str(len(score.utterances)), str(counts.reference)]
    cells += [f"{share:.1f}" for share in shares]
    return f"{_HEADER}\n|{'|'.join(cells)}|"


def result_text(score: Score, dataset: str, unit: str = "word") -> str:
    """Return summary, interval and the alignment of every utterance with an error.

    Below each pair of lines, S, D and I mark substitutions, deletions and insertions.
    """
    low, high = score.wer_ci95 if unit == "word" else score.cer_ci95
    rate = "WER" if unit == "word" else "CER"
    counts = _total(score, unit)
    wrong = [u for u in score.utterances if _of(u, unit).errors]
    blocks = [
        summary_table(score, dataset, unit),
        f"{rate} {counts.rate:.2f} %, 95 % interval {low:.2f} to {high:.2f} % "
        f"({score.resamples} bootstrap samples of whole {score.unit}s)",
        f"{len(wrong)} of {len(score.utterances)} utterances have an error:",
    ]
    blocks += [_alignment(utterance, unit) for utterance in wrong]
    return "\n\n".join(blocks) + "\n"


def write_score(score: Score, folder: Union[str, Path], dataset: str) -> Path:
    """Write ``score.json``, ``score_wer/result.txt`` and ``score_cer/result.txt``.

    Returns:
        The path of ``score.json``, which is written last: if it exists, all files do.
    """
    decoded = DecodedSet(Path(folder))
    for unit in ("word", "char"):
        write_text(decoded.result_file(unit), result_text(score, dataset, unit))
    write_json(decoded.score_file, score.to_dict())
    return decoded.score_file


def _of(utterance: UtteranceScore, unit: str) -> Counts:
    return utterance.words if unit == "word" else utterance.chars


def _total(score: Score, unit: str) -> Counts:
    return score.words if unit == "word" else score.chars


def _alignment(utterance: UtteranceScore, unit: str) -> str:
    counts = _of(utterance, unit)
    title = (
        f"{utterance.name}  (substituted {counts.substitutions}, "
        f"deleted {counts.deletions}, inserted {counts.insertions})"
    )
    reference = clean_text(utterance.reference)
    hypothesis = clean_text(utterance.hypothesis)
    if not reference:
        return f"{title}\nREF: (empty)\nHYP: {hypothesis}"
    if unit == "word":
        output = jiwer.process_words(reference, hypothesis)
    else:
        output = jiwer.process_characters(reference, hypothesis)
    drawn = jiwer.visualize_alignment(output, show_measures=False)
    # The first line is the number of the sentence, which is always 1 here.
    lines = drawn.rstrip().split("\n")[1:]
    return "\n".join([title] + [line.rstrip() for line in lines if line.strip()])
