"""Score the files of ESPnet's scoring stage: ``ref.trn`` and ``hyp.trn``."""

import logging
import re
from pathlib import Path
from typing import Any, Mapping, Optional, Union

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.decoded import DecodedSet
from espnet_plugin.files import read_pairs
from espnet_plugin.score.sclite import explain
from espnet_plugin.score.wer import score_texts

__all__ = ["read_trn", "score_trn", "split_trn_name"]

PathLike = Union[str, Path]

# "some words (speaker-utterance)"; the text may have brackets itself, or be empty.
_LINE = re.compile(r"^(?P<text>.*?)\s*\((?P<name>[^\s()]+)\)\s*$")
_SPACE = "<space>"
# The line of sums in sclite's table: ...| Corr Sub Del Ins Err S.Err |
_SUM = re.compile(r"^\s*\|\s*Sum/Avg\s*\|[^|]*\|(?P<shares>[^|]*)\|", re.MULTILINE)
_ERR_COLUMN = 4
# sclite prints one digit.
_ROUNDING_POINTS = 0.1


def read_trn(path: PathLike) -> dict[str, str]:
    """Read a NIST transcript, whose lines are a text and ``(speaker-utterance)``.

    Returns:
        The texts by the names in brackets, in the order of the file.

    Raises:
        UserError: If the file is missing or not UTF-8, repeats a name, or a line has no
        name.
    """
    path = Path(path)
    try:
        # Not splitlines(), which also splits at eight other characters.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing: run ESPnet's scoring stage") from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not UTF-8 text ({error}): run ESPnet's scoring stage again"
        ) from error
    texts: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        match = _LINE.match(line)
        if match is None:
            raise UserError(
                f"{path}:{number}: {line[:60]!r} does not end with "
                "(speaker-utterance): run ESPnet's scoring stage again"
            )
        if match["name"] in texts:
            raise UserError(
                f"{path}:{number}: ({match['name']}) is listed twice: run ESPnet's "
                "scoring stage again"
            )
        texts[match["name"]] = match["text"].strip()
    return texts


def split_trn_name(name: str, utterances: Mapping[str, Any]) -> tuple[str, str]:
    """Split ``speaker-utterance``; both parts may have hyphens.

    Args:
        name: The name in brackets.
        utterances: Known ids of utterances, e.g. from the recognised ``text``; may be
            empty. For other utterances the id is assumed to begin with the speaker, as
            in Kaldi, otherwise the speaker to end at the first hyphen.

        Returns:
            Speaker and utterance; twice the whole name if it has no hyphen.
    """
    places = [place for place, letter in enumerate(name) if letter == "-"]
    splits = [(name[:place], name[place + 1 :]) for place in places]
    for speaker, utterance in splits:
        if utterance in utterances:
            return speaker, utterance
    for speaker, utterance in splits:
        if speaker and utterance.startswith(speaker):
            return speaker, utterance
    return splits[0] if splits else (name, name)


def score_trn(decoded: PathLike) -> dict[str, Any]:
    """Score a decoded set from ESPnet's transcripts, in the format of ``score.json``.

    Errors are counted again for each utterance, because ``result.txt`` has no interval.
    If its error rate differs, this is logged with an explanation
    (:func:`espnet_plugin.score.sclite.explain`).

    Args:
        decoded: A folder with ``score_wer/{ref,hyp}.trn``, or only with ``score_cer/``,
            in which ``<space>`` separates words. If it has ``text``, ids of utterances
            are taken from that.

    Raises:
        UserError: If a file is missing or damaged, the two differ in their utterances,
            or no reference has a word.
    """
    found = DecodedSet(Path(decoded))
    by_character = not found.transcripts("word")[0].exists()
    unit = "char" if by_character else "word"
    reference, hypothesis = found.transcripts(unit)
    references, hypotheses = read_trn(reference), read_trn(hypothesis)
    text = found.text_file
    utterances = read_pairs(text) if text.is_file() else {}
    speakers: dict[str, str] = {}
    names = {}
    for name in references:
        speaker, utterance = split_trn_name(name, utterances)
        if utterance in speakers:
            raise UserError(f"{reference}: the utterance {utterance} is listed twice")
        speakers[utterance] = speaker
        names[name] = utterance
    if by_character:
        references = {name: _join(line) for name, line in references.items()}
        hypotheses = {name: _join(line) for name, line in hypotheses.items()}
    score = score_texts(
        {names[name]: line for name, line in references.items()},
        {names.get(name, name): line for name, line in hypotheses.items()},
        speakers,
        reference_name=str(reference),
        hypothesis_name=str(hypothesis),
    )
    rate = score.chars.rate if by_character else score.words.rate
    theirs = _sclite_rate(found.result_file(unit))
    if theirs is not None and abs(theirs - rate) > _ROUNDING_POINTS:
        pairs = [(u.reference, u.hypothesis) for u in score.utterances]
        logging.warning(
            "%s says %.1f %%, but %.1f %% is counted here: %s",
            found.result_file(unit),
            theirs,
            rate,
            explain(theirs, pairs, by_character),
        )
    return score.to_dict()


def _join(characters: str) -> str:
    return "".join(" " if c == _SPACE else c for c in characters.split())


def _sclite_rate(path: Path) -> Optional[float]:
    """Return the error rate in ``result.txt`` in percent; None if it is missing."""
    if not path.is_file():
        return None
    match = _SUM.search(path.read_text(encoding="utf-8", errors="replace"))
    shares = match["shares"].split() if match else []
    try:
        return float(shares[_ERR_COLUMN])
    except (IndexError, ValueError):
        return None
