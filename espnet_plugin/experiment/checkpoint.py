"""Which of the checkpoints in an experiment folder to take."""

import fnmatch
import logging
from pathlib import Path
from typing import Optional

from espnet_plugin.errors import UserError
from espnet_plugin.files import PathLike

__all__ = ["AVERAGED_EPOCHS", "averaged_name", "choose_checkpoint"]

# The optimiser's state as well, to resume from; the copy outlives an epoch.
RESUME, RESUME_PREVIOUS = "checkpoint.pth", "checkpoint.previous.pth"
# ESPnet averages at the very end of a training, so this tells whether it has ended.
AVERAGED_EPOCHS = "*.ave*.pth"
SINGLE_EPOCHS = "*epoch.pth"


def averaged_name(criterion: str) -> str:
    """Return the name of the mean of the best epochs by a criterion on the dev set."""
    return f"valid.{criterion}.ave.pth"


def epoch_name(epoch: int) -> str:
    """Return the name of the checkpoint of one epoch."""
    return f"{epoch}epoch.pth"


def epoch_files(folder: Path) -> list[Path]:
    """Return the checkpoints of single epochs that were kept, in their order."""
    paths = folder.glob(f"[0-9]{SINGLE_EPOCHS}")
    return sorted(paths, key=lambda path: int(path.name.removesuffix("epoch.pth")))


# From the best to the last resort, before any other name.
_PATTERNS = (
    "valid.cer_ctc.ave.pth",
    "valid.cer_ctc.ave_*best.pth",
    "valid.acc.ave.pth",
    "valid.acc.ave_*best.pth",
    "valid.loss*.ave.pth",
    "valid.*.ave.pth",
    "*.ave_*best.pth",
    "*.ave.pth",
    "valid.cer_ctc.best.pth",
    "*best.pth",
    "latest.pth",
    "*epoch.pth",
    # Of this plugin's small models; beside it may lie one without masked blocks.
    "model.pth",
)


def choose_checkpoint(
    directory: PathLike, name: Optional[str] = None, ctc_only: bool = True
) -> Path:
    """Return the checkpoint of an experiment folder that ought to be used.

    Args:
        directory: The folder with ``config.yaml``.
        name: File name asked for by the user; otherwise an average of the best epochs
            by CTC character error rate, then any average, the best epoch, the latest.
        ctc_only: The model has no attention decoder. ESPnet then averages arbitrary
            epochs as those of the best accuracy, so these are taken last.

    Raises:
        UserError: If there is none, or ``name`` is not there.
    """
    directory = Path(directory)
    names = sorted(
        path.name
        for path in directory.glob("*.pth")
        if path.is_file() and path.name not in (RESUME, RESUME_PREVIOUS)
    )
    if name is not None:
        if not (directory / name).is_file():
            raise UserError(
                f"{directory} has no checkpoint {name!r}; "
                f"it has {', '.join(names) or 'none'}"
            )
        return directory / name
    for candidates in _by_trust(names, ctc_only):
        for pattern in (*_PATTERNS, "*"):
            found = fnmatch.filter(candidates, pattern)
            if found:
                # The last epoch of "9epoch.pth" and "10epoch.pth" is the tenth.
                choice = max(found, key=lambda item: (len(item), item))
                logging.info("checkpoint: %s (choice: %s)", choice, ", ".join(names))
                return directory / choice
    raise UserError(
        f"{directory} has no checkpoint (*.pth): finish the training, or give a "
        "folder that holds a checkpoint"
    )


def _by_trust(names: list[str], ctc_only: bool) -> list[list[str]]:
    """Put those chosen by an accuracy that the model does not have behind the rest."""
    if not ctc_only:
        return [names]
    doubtful = [name for name in names if name.startswith("valid.acc.")]
    return [[name for name in names if name not in doubtful], doubtful]
