"""ESPnet's checkpoints: which one to take, and reading it without running its code."""

import fnmatch
import logging
import pickle
import zipfile
from pathlib import Path
from typing import Optional, Union

import torch

from espnet_plugin.errors import UserError

__all__ = ["choose_checkpoint", "read_checkpoint"]

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
    directory: Union[str, Path], name: Optional[str] = None, ctc_only: bool = True
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
    # ``checkpoint.pth`` is the optimiser's state as well, for resuming only.
    names = sorted(
        path.name
        for path in directory.glob("*.pth")
        if path.is_file() and path.name != "checkpoint.pth"
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
                logging.info("checkpoint: %s (of %s)", choice, ", ".join(names))
                return directory / choice
    raise UserError(
        f"{directory} has no checkpoint (*.pth): "
        "finish its training, or give the folder that holds one"
    )


def read_checkpoint(
    path: Union[str, Path], device: Union[str, torch.device] = "cpu"
) -> dict[str, torch.Tensor]:
    """Read the tensors of a checkpoint; code in it is refused, never run.

    Raises:
        UserError: If the file is missing, is truncated, holds anything but tensors, or
            is no checkpoint of a model.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"checkpoint {path} is missing: train the model first")
    try:
        content = torch.load(path, map_location=device, weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error)
        if zipfile.is_zipfile(path) or "Unsupported" in reason or "GLOBAL" in reason:
            raise UserError(
                f"checkpoint {path} holds pickled code or objects besides tensors; it "
                "was not loaded, because loading would run them. If you trust its "
                "source, load it there and save model.state_dict() alone"
            ) from error
        raise UserError(_unreadable(path, reason)) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, IndexError) as error:
        raise UserError(_unreadable(path, str(error))) from error
    except Exception as error:  # a damaged pickle may raise anything
        raise UserError(_unreadable(path, repr(error))) from error
    # DeepSpeed and Lightning wrap the tensors, as ESPnet's own loader knows.
    for wrapper in ("module", "state_dict"):
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict) or not content:
        raise UserError(
            f"checkpoint {path} holds a {type(content).__name__}, not named tensors; "
            "give a file as ESPnet's training writes it, e.g. valid.cer_ctc.ave.pth"
        )
    others = [key for key, value in content.items() if not torch.is_tensor(value)]
    if others:
        raise UserError(
            f"checkpoint {path} holds {', '.join(map(str, others[:4]))} besides "
            "tensors (a checkpoint.pth for resuming?); give a model's file, "
            "e.g. valid.cer_ctc.ave.pth or 10epoch.pth"
        )
    return {name: _whole(value) for name, value in content.items()}


def _whole(tensor: torch.Tensor) -> torch.Tensor:
    """Fill the gaps of a file without masked blocks (``dual_mode.extract``)."""
    return tensor if tensor.layout == torch.strided else tensor.to_dense()


def _by_trust(names: list[str], ctc_only: bool) -> list[list[str]]:
    """Put those chosen by an accuracy that the model does not have behind the rest."""
    if not ctc_only:
        return [names]
    doubtful = [name for name in names if name.startswith("valid.acc.")]
    return [[name for name in names if name not in doubtful], doubtful]


def _unreadable(path: Path, reason: str) -> str:
    first_line = (reason.strip() or "unexpected end of file").splitlines()[0]
    return (
        f"checkpoint {path} cannot be read, it is probably truncated ({first_line}); "
        "copy or download it again"
    )
