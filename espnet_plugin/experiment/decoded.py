"""Decoded sets of an experiment: the folders ``decode_<decoding>/<set>``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.records import read_keys

__all__ = ["DECODE_PREFIX", "ORIGINAL", "DecodedSet", "find_scored"]

DECODE_PREFIX = "decode_"
# asr.sh decodes the unfiltered development set here; its stage 4 makes a filtered copy.
ORIGINAL = "org/"

_SCORE, _SCORED, _TEXT = "score.json", "scored.json", "text"
_DECODED = "decoded.json"
_RESULT, _REF_TRN, _HYP_TRN = "result.txt", "ref.trn", "hyp.trn"
_KINDS = {"word": "score_wer", "char": "score_cer"}


@dataclass(frozen=True)
class DecodedSet:
    """The folder of a set that a model has decoded.

    Attributes:
        folder: ``<experiment>/decode_<decoding>/<set>``.
    """

    folder: Path

    @property
    def name(self) -> str:
        """Name of the set."""
        return self.folder.name

    @property
    def text_file(self) -> Path:
        """The recognised transcripts."""
        return self.folder / _TEXT

    @property
    def decoded_file(self) -> Path:
        """Record of what was decoded, and by which model."""
        return self.folder / _DECODED

    @property
    def score_file(self) -> Path:
        """``score.json``, the errors and intervals."""
        return self.folder / _SCORE

    @property
    def scored_file(self) -> Path:
        """Record of what the score was computed from."""
        return self.folder / _SCORED

    def result_file(self, unit: str = "word") -> Path:
        """Return the readable table of ``word`` or ``char`` errors."""
        return self.folder / _KINDS[unit] / _RESULT

    def transcripts(self, unit: str = "word") -> tuple[Path, Path]:
        """Return the files that asr.sh scored: reference and hypothesis."""
        return self.folder / _KINDS[unit] / _REF_TRN, self.folder / _KINDS[unit] / (
            _HYP_TRN
        )

    @property
    def is_scored(self) -> bool:
        """Whether this plugin has scored it."""
        return self.score_file.is_file()

    def score(self) -> dict[str, Any]:
        """Read ``score.json``; see :meth:`espnet_plugin.score.values.Score.to_dict`.

        Raises:
            UserError: If the file is missing or is not JSON.
        """
        if not self.is_scored:
            raise UserError(
                f"{self.folder} has no {_SCORE}: run stage 7 with the set {self.name} "
                "in --valid_set or --test_sets"
            )
        return read_keys(self.score_file)


def find_scored(folder: Path) -> dict[str, dict[str, DecodedSet]]:
    """Find all scored sets below ``<folder>/<decoding>/[org/]<set>``.

    Returns:
        The sets by folder name of the decoding and by name (including ``org/``). Each
        has a ``score.json`` (from this plugin) or transcripts (from asr.sh).
    """
    found: dict[str, dict[str, DecodedSet]] = {}
    patterns = [_SCORE, *(f"{kind}/{_REF_TRN}" for kind in _KINDS.values())]
    for depth in ("*/*", f"*/{ORIGINAL}*"):
        for pattern in patterns:
            for path in sorted(folder.glob(f"{depth}/{pattern}")):
                decoded = path.parents[pattern.count("/")]
                decoding, _, name = (
                    decoded.relative_to(folder).as_posix().partition("/")
                )
                found.setdefault(decoding, {})[name] = DecodedSet(decoded)
    return found
