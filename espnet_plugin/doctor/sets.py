"""The sets to check, and the options of the check."""

from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from espnet_plugin.doctor.tables import TextFacts

__all__ = ["AUDIO_LEVELS", "CheckOptions", "DataSet"]

AUDIO_LEVELS = ("full", "header", "none")


@dataclass(frozen=True)
class CheckOptions:
    """What is checked.

    Attributes:
        fs: Sampling rate in Hz that all audio must have; None: the most frequent one.
        audio: ``full``: decode everything; ``header``; ``none``.
        run_pipes: Whether commands in wav.scp are run.
        symbols: Non-linguistic symbols that are expected.
        min_seconds: Shorter utterances are left out of training.
        max_seconds: Longer utterances are left out of training.
        ignored: Kinds of findings that are not reported.
        nj: Number of processes.
    """

    fs: Optional[int] = None
    audio: str = "full"
    run_pipes: bool = False
    symbols: tuple[str, ...] = ()
    min_seconds: float = 0.1
    max_seconds: float = 30.0
    ignored: tuple[str, ...] = ()
    nj: int = 1


@dataclass
class DataSet:
    """One data folder.

    Attributes:
        folder: Its path.
        labelled: Whether it has transcripts.
        valid: Whether its transcripts may have only the training set's characters.
        facts: What was counted in its transcripts.
    """

    folder: Path
    labelled: bool
    facts: TextFacts
    valid: bool = False

    @property
    def name(self) -> str:
        """Name of the set: its folder's name."""
        return self.folder.name or self.folder.resolve().name

    @property
    def base(self) -> str:
        """Name of the table that lists its utterances."""
        return "segments" if (self.folder / "segments").exists() else "wav.scp"
