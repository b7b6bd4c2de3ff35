"""Scoring that is not repeated while nothing that decides its result has changed.

Ten thousand bootstrap draws take longer than telling that they would be the same.
"""

import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Optional

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.decoded import DecodedSet
from espnet_plugin.files import file_checksum, read_json, write_json
from espnet_plugin.score.bootstrap import DEFAULT_RESAMPLES
from espnet_plugin.score.result_text import write_score
from espnet_plugin.score.wer import score_files

__all__ = ["SCORE_VERSION", "ScoreRequest", "score_once"]

# To be raised with every change of how errors are counted or drawn, or of what is
# written: then everything is scored again.
SCORE_VERSION = 2


@dataclass(frozen=True)
class ScoreRequest:
    """What a score is computed from.

    Attributes:
        reference: The set's ``text``.
        hypothesis: What was recognised.
        utt2spk: Speaker of each utterance; None where unknown.
        unit: What the bootstrap draws.
        resamples: Number of draws.
        seed: Seed of the draws.
        dataset: Name of the set in the readable tables.
        ignored: Symbols that are no words, e.g. ``<noise>``.
    """

    reference: Path
    hypothesis: Path
    utt2spk: Optional[Path] = None
    unit: str = "utterance"
    resamples: int = DEFAULT_RESAMPLES
    seed: int = 0
    dataset: str = ""
    ignored: tuple[str, ...] = ()

    def digest(self) -> dict[str, Any]:
        """Return what decides the result, files by their content."""
        content: dict[str, Any] = {"version": SCORE_VERSION}
        for name, value in asdict(self).items():
            if isinstance(value, Path):
                value = file_checksum(value) if value.is_file() else None
            elif isinstance(value, tuple):
                value = list(value)  # as it is read back
            content[name] = value
        return content


def score_once(request: ScoreRequest, decoded: DecodedSet) -> bool:
    """Score a decoded set, unless the same score is there, whole and untouched.

    Args:
        request: What is scored, and how.
        decoded: Gets ``score.json``, the readable tables, and a record of what they
            were computed from.

    Returns:
        Whether it was scored.

    Raises:
        UserError: See :func:`espnet_plugin.score.wer.score_files`.
    """
    inputs = request.digest()
    if _known(decoded) == {"inputs": inputs, "outputs": _outputs(decoded)}:
        logging.info("%s has already been scored", decoded.folder)
        return False
    score = score_files(
        request.reference,
        request.hypothesis,
        request.utt2spk,
        request.unit,
        request.resamples,
        request.seed,
        request.ignored,
    )
    write_score(score, decoded.folder, request.dataset)
    # At the end, so that an interrupted scoring is not taken for a finished one.
    write_json(decoded.scored_file, {"inputs": inputs, "outputs": _outputs(decoded)})
    return True


def _outputs(decoded: DecodedSet) -> dict[str, Optional[str]]:
    paths = (
        decoded.score_file,
        decoded.result_file("word"),
        decoded.result_file("char"),
    )
    return {
        path.relative_to(decoded.folder).as_posix(): (
            file_checksum(path) if path.is_file() else None
        )
        for path in paths
    }


def _known(decoded: DecodedSet) -> Any:
    """Return the record; nothing for one that is damaged, which is written anew."""
    if not decoded.scored_file.is_file():
        return None
    try:
        return read_json(decoded.scored_file)
    except UserError:
        return None
