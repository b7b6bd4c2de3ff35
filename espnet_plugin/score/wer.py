"""Word and character error rates, with intervals.

Errors are counted by `jiwer`. Intervals and comparisons of two systems use a bootstrap
over whole utterances or whole speakers (``score/bootstrap.py``).
"""

import logging
import unicodedata
from pathlib import Path
from typing import Any, Collection, Mapping, Optional, Sequence, Union

import jiwer

from espnet_plugin.errors import UserError
from espnet_plugin.files import read_pairs
from espnet_plugin.score.bootstrap import (
    DEFAULT_RESAMPLES,
    PairedComparison,
    bootstrap_interval,
    paired_bootstrap,
    sum_by_unit,
)
from espnet_plugin.score.other_format import name_format, unlike_words
from espnet_plugin.score.values import Counts, Score, UtteranceScore
from espnet_plugin.text import clean_text

__all__ = [
    "BOOTSTRAP_UNITS",
    "compare_scores",
    "count_errors",
    "score_files",
    "score_texts",
]

BOOTSTRAP_UNITS = ("utterance", "speaker")
# Above this word error rate (in %), differences of case are looked for.
_MOSTLY_WRONG = 50.0
_NAMES_IN_MESSAGE = 5

PathLike = Union[str, Path]


def count_errors(reference: str, hypothesis: str) -> tuple[Counts, Counts]:
    """Count the errors of one utterance.

    Words are separated by white space of any length. In character errors, the space
    between two words counts as one character, as in ESPnet's ``score_cer``. Invisible
    characters and differences of Unicode composition do not count
    (:func:`espnet_plugin.text.clean_text`).

    Args:
        reference: Reference transcript.
        hypothesis: Recognised transcript.

    Returns:
        The counts in words and in characters.
    """
    reference, hypothesis = clean_text(reference), clean_text(hypothesis)
    if not reference:
        # Empty references are an error in jiwer 3 but not in 4; all words are
        # insertions.
        return Counts(insertions=len(hypothesis.split())), Counts(
            insertions=len(hypothesis)
        )
    return (
        _counts(jiwer.process_words(reference, hypothesis)),
        _counts(jiwer.process_characters(reference, hypothesis)),
    )


def _counts(output: Union[jiwer.WordOutput, jiwer.CharacterOutput]) -> Counts:
    return Counts(
        output.hits + output.substitutions + output.deletions,
        output.substitutions,
        output.deletions,
        output.insertions,
    )


def compare_scores(
    first: Mapping[str, Any],
    second: Mapping[str, Any],
    unit: str = "utterance",
    resamples: int = DEFAULT_RESAMPLES,
    seed: int = 0,
) -> PairedComparison:
    """Compare two systems by the content of their ``score.json``.

    Raises:
        UserError: If utterances or references differ, or the unit is "speaker" and
            speakers are missing.
    """
    rows = [
        {entry["utt"]: entry for entry in score["per_utterance"]}
        for score in (first, second)
    ]
    _check_same_names(rows[0], rows[1], "the second score.json", "the first")
    names = list(rows[0])
    changed = [n for n in names if rows[0][n]["words"] != rows[1][n]["words"]]
    if changed:
        raise UserError(
            f"{len(changed)} utterances have different references in the two scores "
            f"({_some(changed)}): score both against the same text"
        )
    speakers = [rows[0][name].get("spk") for name in names]
    units = _units(names, speakers, unit)
    return paired_bootstrap(
        sum_by_unit([rows[0][name]["errors"] for name in names], units),
        sum_by_unit([rows[1][name]["errors"] for name in names], units),
        sum_by_unit([rows[0][name]["words"] for name in names], units),
        resamples,
        seed,
    )


def _units(
    names: Sequence[str], speakers: Sequence[Optional[str]], unit: str
) -> list[str]:
    if unit not in BOOTSTRAP_UNITS:
        raise UserError(
            f"--unit_of_bootstrap {unit!r}: choose from {', '.join(BOOTSTRAP_UNITS)}"
        )
    if unit == "utterance":
        return list(names)
    known = [speaker for speaker in speakers if speaker is not None]
    if len(known) < len(speakers):
        raise UserError(
            "--unit_of_bootstrap 'speaker': the speakers are not known: give utt2spk, "
            "or choose 'utterance'"
        )
    return known


def score_texts(
    references: Mapping[str, str],
    hypotheses: Mapping[str, str],
    speakers: Optional[Mapping[str, str]] = None,
    unit: str = "utterance",
    resamples: int = DEFAULT_RESAMPLES,
    seed: int = 0,
    reference_name: str = "the references",
    hypothesis_name: str = "the hypotheses",
    speakers_name: str = "utt2spk",
    ignored: Collection[str] = (),
) -> Score:
    """Score hypotheses against references.

    Args:
        references: Transcripts by utterance. They may be empty; all recognised words
            are then insertions.
        hypotheses: Transcripts of the same utterances; they may be empty.
        speakers: Speakers by utterance; further utterances are ignored.
        unit: Unit of the bootstrap, "utterance" or "speaker".
        resamples: Number of bootstrap samples.
        seed: Seed of the draws.
        reference_name: Name of the references in messages, e.g. a file name.
        hypothesis_name: Name of the hypotheses in messages.
        speakers_name: Name of the table of speakers in messages.
        ignored: Symbols that are first removed from both, like non-linguistic symbols
            in ESPnet's scoring.

    Raises:
        UserError: If utterances are missing or unexpected, no reference has a word, or
            the unit is "speaker" and speakers are missing.
    """
    if not references:
        raise UserError(
            f"{reference_name} contains no utterances: give the text of the test set"
        )
    _check_same_names(references, hypotheses, hypothesis_name, reference_name)
    if speakers is not None:
        missing = [name for name in references if name not in speakers]
        if missing:
            raise UserError(
                f"{speakers_name} lacks {len(missing)} of {len(references)} utterances "
                f"of {reference_name}: {_some(missing)}"
            )
    utterances = []
    for name, reference in references.items():
        hypothesis = hypotheses[name]
        for symbol in sorted(ignored, key=len, reverse=True):
            reference = reference.replace(symbol, " ")
            hypothesis = hypothesis.replace(symbol, " ")
        words, chars = count_errors(reference, hypothesis)
        speaker = None if speakers is None else speakers[name]
        utterances.append(
            UtteranceScore(name, speaker, reference, hypothesis, words, chars)
        )
    if not any(u.words.reference for u in utterances):
        raise UserError(
            f"{reference_name} contains no words, so an error rate cannot be "
            "computed: check the reference text"
        )
    empty = [u.name for u in utterances if not u.words.reference]
    if empty:
        logging.warning(
            "%d of %d references are empty; everything recognised there counts as "
            "inserted: %s",
            len(empty),
            len(utterances),
            _some(empty),
        )
    units = _units(list(references), [u.speaker for u in utterances], unit)
    if len(set(units)) < 2:
        logging.warning(
            "there is only one %s, so the 95 %% interval says nothing", unit
        )

    def interval(counts: Sequence[Counts]) -> tuple[float, float]:
        return bootstrap_interval(
            sum_by_unit([c.errors for c in counts], units),
            sum_by_unit([c.reference for c in counts], units),
            resamples,
            seed,
        )

    return Score(
        utterances=tuple(utterances),
        wer_ci95=interval([u.words for u in utterances]),
        cer_ci95=interval([u.chars for u in utterances]),
        unit=unit,
        resamples=resamples,
        seed=seed,
    )


def score_files(
    reference: PathLike,
    hypothesis: PathLike,
    utt2spk: Optional[PathLike] = None,
    unit: str = "utterance",
    resamples: int = DEFAULT_RESAMPLES,
    seed: int = 0,
    ignored: Collection[str] = (),
) -> Score:
    """Score a Kaldi ``text`` against another (each line is ``utterance words...``).

    Raises:
        UserError: See :func:`score_texts`; or if a file cannot be read or has another
            format.
    """
    scored = score_texts(
        _read_text(reference),
        _read_text(hypothesis),
        None if utt2spk is None else read_pairs(utt2spk),
        unit,
        resamples,
        seed,
        str(reference),
        str(hypothesis),
        str(utt2spk),
        ignored,
    )
    if scored.words.rate > _MOSTLY_WRONG:
        _warn_of_case(scored, f"{hypothesis} and {reference}")
        _warn_of_tokens(scored, str(hypothesis))
        _warn_of_punctuation(scored, f"{hypothesis} and {reference}")
    return scored


def _read_text(path: PathLike) -> dict[str, str]:
    table = read_pairs(path)
    other = name_format(table)
    if other is not None:
        name, rest = next(iter(table.items()))
        raise UserError(
            f"{path}: '{name} {rest[:60]}' and all other lines look like {other}: give "
            "a Kaldi text file, with the name of an utterance and then its words in "
            "each line"
        )
    return table


def _warn_of_tokens(scored: Score, where: str) -> None:
    """Warn if the hypotheses consist of tokens, and the references do not."""
    if unlike_words({one.name: one.reference for one in scored.utterances}):
        return
    found = unlike_words({one.name: one.hypothesis for one in scored.utterances})
    if found:
        logging.warning(
            "%s: %s: give the text in words instead of tokens", where, found
        )


def _warn_of_punctuation(scored: Score, where: str) -> None:
    """Warn if most errors are punctuation marks that one of the two lacks."""
    found = scored.words.errors
    plain = sum(
        count_errors(_letters(one.reference), _letters(one.hypothesis))[0].errors
        for one in scored.utterances
    )
    if 2 * plain < found:
        logging.warning(
            "%s: %d of %d errors are differences of punctuation: write both with it or "
            "both without it",
            where,
            found - plain,
            found,
        )


def _letters(text: str) -> str:
    return "".join(c for c in text if not unicodedata.category(c).startswith("P"))


def _warn_of_case(scored: Score, where: str) -> None:
    """Warn if most errors are differences between upper and lower case."""
    found = scored.words.errors
    folded = sum(
        count_errors(one.reference.casefold(), one.hypothesis.casefold())[0].errors
        for one in scored.utterances
    )
    if 2 * folded < found:
        logging.warning(
            "%s: %d of %d errors are differences between upper and lower case: write "
            "both in the same case",
            where,
            found - folded,
            found,
        )


def _some(names: Sequence[str]) -> str:
    more = ", ..." if len(names) > _NAMES_IN_MESSAGE else ""
    return ", ".join(names[:_NAMES_IN_MESSAGE]) + more


def _check_same_names(
    wanted: Mapping[str, Any], given: Mapping[str, Any], file: str, against: str
) -> None:
    missing = [name for name in wanted if name not in given]
    surplus = [name for name in given if name not in wanted]
    problems = []
    if missing:
        problems.append(
            f"lacks {len(missing)} of {len(wanted)} utterances ({_some(missing)})"
        )
    if surplus:
        problems.append(f"has {len(surplus)} extra utterances ({_some(surplus)})")
    if problems:
        way_out = "decode the whole of that set again"
        if len(missing) == len(wanted) and surplus:
            way_out = "give two texts of one set, with the same names of utterances"
        raise UserError(
            f"{file} {' and '.join(problems)}, compared with {against}: {way_out}"
        )
