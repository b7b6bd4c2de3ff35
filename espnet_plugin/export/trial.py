"""Options for testing and measuring an export, for all kinds of models."""

from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from espnet_plugin.errors import UserError

__all__ = ["TrialOptions"]


@dataclass(frozen=True)
class TrialOptions:
    """Options for testing and measuring an export.

    Attributes:
        dev: Kaldi data folder on which the export is tested.
        dev_utterances: Largest number of utterances that are used.
        int8: Whether a quantised file is written too.
        max_wer_loss: Largest accepted loss of word error rate in percentage points.
        num_threads: Number of threads of onnxruntime in the tests.
        measure: Whether time and memory of the files are measured.
        license: License of the reference, for the model card.
    """

    dev: Optional[Path] = None
    dev_utterances: int = 200
    int8: bool = False
    max_wer_loss: float = 0.5
    num_threads: int = 1
    measure: bool = False
    license: Optional[str] = None

    def __post_init__(self):
        if self.int8 and self.dev is None:
            raise UserError(
                "--int8 needs --dev, on which the loss of accuracy is measured, e.g. "
                "--dev data/dev"
            )
        if not 0 <= self.max_wer_loss:
            raise UserError(f"--max_wer_loss {self.max_wer_loss}: must not be negative")
        if self.num_threads < 1:
            raise UserError(f"--num_threads {self.num_threads}: must be at least 1")
