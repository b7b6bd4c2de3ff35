"""What is checked, and how."""

from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from espnet_plugin.doctor.tables import TextFacts

__all__ = ["AUDIO_LEVELS", "CheckOptions", "DataSet"]

AUDIO_LEVELS = ("full", "header", "none")


@dataclass(frozen=True)
class CheckOptions:
    """What is looked at.

    Attributes:
        fs: Rate in Hz that all audio must have; None: that of most files.
        audio: ``full``: decode everything; ``header``; ``none``.
        run_pipes: Run the commands of wav.scp.
        symbols: Non-linguistic symbols that are expected.
        min_seconds: Utterances below are left out of training.
        max_seconds: Utterances above are left out of training.
        ignored: Kinds of findings that are not looked for.
        nj: Processes.
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
    """One folder.

    Attributes:
        folder: Its path.
        labelled: It has transcripts.
        valid: Its transcripts must be written with the training set's characters.
        facts: What was counted in them.
    """

    folder: Path
    labelled: bool
    facts: TextFacts
    valid: bool = False

    @property
    def name(self) -> str:
        """What it is called: its folder's name."""
        return self.folder.name

    @property
    def base(self) -> str:
        """The table that has its utterances."""
        return "segments" if (self.folder / "segments").exists() else "wav.scp"
