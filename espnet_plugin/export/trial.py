"""How an export is tried once it is written, whichever kind of model it is of."""

from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from espnet_plugin.errors import UserError

__all__ = ["TrialOptions"]


@dataclass(frozen=True)
class TrialOptions:
    """What is tried and measured, and said of it.

    Attributes:
        dev: A Kaldi data folder to try the export on.
        dev_utterances: Utterances of it that are tried, at most.
        int8: Also quantise.
        max_wer_loss: Points of word error rate that this may cost.
        num_threads: Threads of onnxruntime while the export is tried.
        measure: Measure time and memory of the written files.
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
