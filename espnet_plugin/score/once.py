"""Score a decoded set only if its inputs have changed.

Comparing checksums is faster than ten thousand bootstrap draws.
"""

import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Optional

from espnet_plugin.experiment.decoded import DecodedSet
from espnet_plugin.experiment.meaning import same, with_meaning
from espnet_plugin.files import file_checksum, read_record, write_json
from espnet_plugin.score.bootstrap import DEFAULT_RESAMPLES
from espnet_plugin.score.result_text import write_score
from espnet_plugin.score.wer import score_files

__all__ = ["SCORE_VERSION", "ScoreRequest", "score_once"]

# Increase it with every change of counting, bootstrap or output: then all sets are
# scored again.
SCORE_VERSION = 2


@dataclass(frozen=True)
class ScoreRequest:
    """The inputs and options of a score.

    Attributes:
        reference: Path of the set's ``text``.
        hypothesis: Path of the recognised ``text``.
        utt2spk: Path of the table of speakers; None if not known.
        unit: Unit of the bootstrap, "utterance" or "speaker".
        resamples: Number of draws.
        seed: Seed of the draws.
        dataset: Name of the set in the readable tables.
        ignored: Symbols that are not words, e.g. ``<noise>``.
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
        """Return the inputs that determine the result, with checksums of files."""
        content: dict[str, Any] = {"version": SCORE_VERSION}
        for name, value in asdict(self).items():
            if isinstance(value, Path):
                value = _content(value) if value.is_file() else None
            elif isinstance(value, tuple):
                value = list(value)  # as JSON returns it
            content[name] = value
        return content


def score_once(request: ScoreRequest, decoded: DecodedSet) -> bool:
    """Score a decoded set, unless the same score already exists unchanged.

    Args:
        request: Inputs and options.
        decoded: Folder into which ``score.json``, the readable tables and a record of
            the inputs are written.

    Returns:
        Whether it was scored.

    Raises:
        UserError: See :func:`espnet_plugin.score.wer.score_files`.
    """
    inputs = request.digest()
    now = {"inputs": inputs, "outputs": _outputs(decoded)}
    if same(read_record(decoded.scored_file), now):
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
    # Written last, so that an interrupted scoring does not count as finished.
    write_json(decoded.scored_file, {"inputs": inputs, "outputs": _outputs(decoded)})
    return True


def _content(path: Path) -> str:
    return with_meaning(file_checksum(path), path)


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
