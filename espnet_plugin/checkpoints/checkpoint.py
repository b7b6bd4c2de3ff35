"""Read ESPnet's checkpoints without running code in them."""

import pickle
import zipfile
from pathlib import Path
from typing import Union

import torch

from espnet_plugin.checkpoints.bounds import check_archive, check_dense
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.checkpoint import choose_checkpoint
from espnet_plugin.files import check_no_stand_in

__all__ = ["choose_checkpoint", "read_checkpoint"]


def read_checkpoint(
    path: Union[str, Path], device: Union[str, torch.device] = "cpu"
) -> dict[str, torch.Tensor]:
    """Read the tensors of a checkpoint, without running code in it.

    Raises:
        UserError: If the file is missing or truncated, contains anything except
            tensors, or is not a checkpoint of a model.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"checkpoint {path} is missing: train the model first")
    check_no_stand_in(path, "checkpoint")
    if _is_text(path):
        raise UserError(
            f"checkpoint {path} is a text file, not a checkpoint: give a model's file, "
            "e.g. valid.cer_ctc.ave.pth or 10epoch.pth"
        )
    check_archive(path, "checkpoint")
    try:
        content = torch.load(path, map_location=device, weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error)
        if zipfile.is_zipfile(path) or "Unsupported" in reason or "GLOBAL" in reason:
            raise UserError(
                f"checkpoint {path} holds pickled code or objects besides tensors, "
                "and was not loaded, because loading would run them. If you trust "
                "its source, load it there and save model.state_dict() alone"
            ) from error
        raise UserError(_unreadable(path, reason)) from error
    except RuntimeError as error:
        if "TorchScript" in str(error):
            raise UserError(
                f"checkpoint {path} is a TorchScript archive, a program besides "
                "tensors, and was not loaded: give the checkpoint that ESPnet's "
                "training wrote, e.g. valid.cer_ctc.ave.pth"
            ) from error
        raise UserError(_unreadable(path, str(error))) from error
    except (EOFError, OSError, ValueError, KeyError, IndexError) as error:
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
            "give a file that ESPnet's training wrote, e.g. valid.cer_ctc.ave.pth"
        )
    others = [key for key, value in content.items() if not torch.is_tensor(value)]
    if others:
        raise UserError(
            f"checkpoint {path} holds {', '.join(map(str, others[:4]))} besides "
            "tensors (a checkpoint.pth for resuming?); give a model's file, "
            "e.g. valid.cer_ctc.ave.pth or 10epoch.pth"
        )
    return {name: _whole(name, value, path) for name, value in content.items()}


def _whole(name: str, tensor: torch.Tensor, path: Path) -> torch.Tensor:
    """Restore the masked blocks of a file as zeros (``dual_mode.extract``)."""
    if tensor.layout == torch.strided:
        return tensor
    check_dense(name, tensor, path)
    try:
        return tensor.to_dense()
    except RuntimeError as error:
        raise UserError(_unreadable(path, str(error))) from error


def _is_text(path: Path) -> bool:
    """Return whether a file begins with printable characters, as no checkpoint does."""
    with path.open("rb") as stream:
        head = stream.read(64)
    return len(head) > 8 and all(32 <= byte < 127 or byte in b"\t\r\n" for byte in head)


def _unreadable(path: Path, reason: str) -> str:
    first_line = (reason.strip() or "unexpected end of file").splitlines()[0]
    return (
        f"checkpoint {path} cannot be read; it is probably truncated ({first_line}): "
        "copy or download it again"
    )
