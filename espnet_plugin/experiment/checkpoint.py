"""Choose the checkpoint of an experiment folder."""

import fnmatch
import logging
from pathlib import Path
from typing import Optional

from espnet_plugin.errors import UserError
from espnet_plugin.files import PathLike

__all__ = ["AVERAGED_EPOCHS", "OF_DECODERS", "averaged_name", "choose_checkpoint"]

# Values that ESPnet's model computes with its attention decoder alone.
OF_DECODERS = ("acc", "loss_att", "cer", "wer")

# For resuming, with the optimiser's state. The copy is kept while an epoch runs.
RESUME, RESUME_PREVIOUS = "checkpoint.pth", "checkpoint.previous.pth"
# ESPnet averages at the end of a training, so these files show that it has ended.
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


# In order of preference; other names come last.
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
    # Small models of this plugin; their folder may also have model.blocks.pth.
    "model.pth",
)


def choose_checkpoint(
    directory: PathLike, name: Optional[str] = None, ctc_only: bool = True
) -> Path:
    """Return the checkpoint of an experiment folder that is to be used.

    Args:
        directory: The folder with ``config.yaml``.
        name: File name given by the user. If None: the average of the best epochs by
            CTC character error rate, else any other average, the best epoch, or the
            latest.
        ctc_only: Whether the model has no attention decoder. In that case ESPnet's
            best epochs by a decoder's value are the first ones, so these are used last,
            with a warning.

    Raises:
        UserError: If there is no checkpoint, or none of that name.
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
                f"it has {', '.join(names) or 'none'}: bring it back, name another, or "
                "delete the folder and train the model again"
            )
        return directory / name
    trusted, doubtful = _by_trust(names, ctc_only)
    for candidates in trusted, doubtful:
        for pattern in (*_PATTERNS, "*"):
            found = fnmatch.filter(candidates, pattern)
            if found:
                # By length first: "10epoch.pth" is later than "9epoch.pth".
                choice = max(found, key=lambda item: (len(item), item))
                logging.info("checkpoint: %s (choice: %s)", choice, ", ".join(names))
                if candidates is doubtful:
                    logging.warning(
                        "%s: these epochs were chosen by %s, which a model without "
                        "attention decoder does not have. ESPnet takes the first "
                        "epochs then. If you have a later one, use it",
                        directory / choice,
                        choice.split(".")[1],
                    )
                return directory / choice
    raise UserError(
        f"{directory} has no checkpoint (*.pth){_instead(directory)}: finish the "
        "training, or give a folder that holds a checkpoint"
    )


def _instead(directory: Path) -> str:
    """Return what there is instead of a checkpoint; empty if that explains nothing."""
    for path in sorted(directory.glob("*.pth")):
        if path.is_symlink() and not path.exists():
            return f", only {path.name}, a link to {path.readlink()}, which is missing"
    others = sorted(
        p.name
        for s in ("safetensors", "bin", "pt", "onnx", "ckpt")
        for p in directory.glob(f"*.{s}")
    )
    return f", only {', '.join(others[:3])} of other programs" if others else ""


def _by_trust(names: list[str], ctc_only: bool) -> tuple[list[str], list[str]]:
    """Separate checkpoints that were chosen by a value that does not exist.

    ESPnet 202611 gives such a value as NaN, and sorting the epochs by it leaves them in
    their order.
    """
    nothing = {
        f"{phase}.{name}" for phase in ("train", "valid") for name in OF_DECODERS
    }
    doubtful = [
        name for name in names if ctc_only and ".".join(name.split(".")[:2]) in nothing
    ]
    return [name for name in names if name not in doubtful], doubtful
