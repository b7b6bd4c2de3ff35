"""Load an ESPnet ASR model and check that every tensor is loaded.

ESPnet's ``build_model_from_file`` loads with ``strict=False``: if a layer is missing in
a checkpoint, it silently keeps its random values.
"""

from __future__ import annotations

import argparse
import copy
import logging
import re
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Mapping, Sequence, Union

import torch

from espnet_plugin.checkpoints.bounds import SAME_TRAINING, check_announced
from espnet_plugin.checkpoints.checkpoint import read_checkpoint
from espnet_plugin.checkpoints.config_files import check_stats, resolve_paths
from espnet_plugin.checkpoints.finite import first_not_finite
from espnet_plugin.checkpoints.offline import (
    fetched_part,
    pip_command,
    without_downloads,
)
from espnet_plugin.checkpoints.registration import register_waiting
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.config import current_ctc, read_config
from espnet_plugin.experiment.named_files import read_tokens
from espnet_plugin.names import DUAL_MODE, DUAL_MODE_MODEL, ENCRL, PRUNED

if TYPE_CHECKING:
    from espnet2.asr.espnet_model import ESPnetASRModel

__all__ = [
    "build_asr_model",
    "count_layers",
    "load_asr_model",
    "load_state",
]

PathLike = Union[str, Path]

_SHOWN_KEYS = 4
# Names that ``host.register`` adds to ESPnet, by option.
_REGISTERED = {
    "encoder": (DUAL_MODE,),
    "model": (ENCRL, PRUNED, DUAL_MODE_MODEL),
}


def load_asr_model(
    config_file: PathLike,
    model_file: PathLike,
    device: Union[str, torch.device] = "cpu",
) -> tuple[ESPnetASRModel, argparse.Namespace]:
    """Build the model of ``config_file`` and load the tensors of ``model_file``.

    Relative paths in the configuration may refer to the current folder, the folder of
    the configuration, or its parents.

    Returns:
        The model in evaluation mode on ``device``, and its training arguments with
        the paths that were found.

    Raises:
        UserError: If a file is missing or damaged, or a tensor is missing, surplus,
            has a different shape or holds NaN.
    """
    config_file = Path(config_file)
    config = resolve_paths(read_config(config_file), config_file)
    # Checked before the model is built, which takes time.
    state = read_checkpoint(model_file, "cpu")
    check_announced(config, state, config_file)
    model, args = build_asr_model(config, config_file)
    load_state(model, state, model_file)
    _check_finite(model, model_file)
    try:
        model.to(device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(
            f"device {device} cannot be used ({str(error).splitlines()[0]}); use cpu"
        ) from error
    return model.eval(), args


def build_asr_model(
    config: Mapping[str, Any], config_file: PathLike
) -> tuple[ESPnetASRModel, argparse.Namespace]:
    """Build the model that a configuration with resolved paths describes.

    Pre-trained parts are built with random weights instead of being downloaded; see
    :func:`espnet_plugin.checkpoints.offline.without_downloads`.

    Args:
        config: The configuration.
        config_file: Its file, for messages.

    Returns:
        The model, whose tensors still have to be loaded, and the arguments.
        ``token_list`` holds the tokens themselves.

    Raises:
        UserError: If ESPnet cannot build it, or it is of a class of this plugin and
            ``espnet_plugin.host.register`` has not been called.
    """
    # Here, because it takes many seconds to import and a finished stage needs none.
    from espnet2.tasks.asr import ASRTask

    read_tokens(config, config_file)  # ESPnet would blame the version
    register_waiting()
    args = argparse.Namespace(**copy.deepcopy(dict(config)))
    _check_registered(args, config_file)
    if getattr(args, "use_adapter", False):
        raise UserError(
            f"{config_file}: use_adapter: true is not supported; merge the adapter "
            "into the model first"
        )
    # Optional keys that old configurations lack but the builder reads.
    for key in ("input_size", "frontend", "specaug", "normalize", "init"):
        if not hasattr(args, key):
            setattr(args, key, None)
    args.ctc_conf = current_ctc(args.ctc_conf)
    stats = (getattr(args, "normalize_conf", None) or {}).get("stats_file")
    if args.normalize is not None and stats:
        check_stats(stats)
    reduced = _leave_out_transducer(args, config_file)
    # Every value is loaded afterwards, so initialising them is wasted work, and
    # an old model's ``init`` may be one that ESPnet no longer has.
    init, args.init = args.init, None
    try:
        with without_downloads(vars(args), config_file):
            model = ASRTask.build_model(args)
    except UserError:
        raise
    except ImportError as error:
        raise UserError(
            f"{config_file}: this model (frontend {args.frontend}, encoder "
            f"{args.encoder}) needs a package that is not installed here: {error}. "
            + (
                pip_command(vars(args))
                or "Install it as described in ESPnet's documentation of that part"
            )
        ) from error
    except (AssertionError, OSError) as error:
        fetched = fetched_part(vars(args))
        raise UserError(
            f"{config_file}: this model cannot be built: {error}"
            + (f" ({fetched})" if fetched else "")
        ) from error
    except Exception as error:  # odd values make ESPnet raise anything
        what = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(
            f"{config_file}: ESPnet cannot build this model: {what}. Check that it "
            "belongs to an ASR task, and that it was not made with a newer ESPnet "
            "than this one"
        ) from error
    finally:
        args.init = init
    model.only_ctc = reduced
    if count_layers(model):
        # ESPnet writes down only what was given, and our callers count layers.
        args.encoder_conf.setdefault("num_blocks", count_layers(model))
    return model, args


def _check_registered(args: argparse.Namespace, config_file: PathLike) -> None:
    from espnet2.tasks.asr import encoder_choices, model_choices

    for option, choices in (("encoder", encoder_choices), ("model", model_choices)):
        name = getattr(args, option, None)
        if name in _REGISTERED[option] and name not in choices.classes:
            raise UserError(
                f"{config_file}: {option} {name} belongs to this plugin, and ESPnet "
                "does not know it yet: call espnet_plugin.host.register() before the "
                "model is built"
            )


def count_layers(model: ESPnetASRModel) -> int:
    """Return the number of encoder layers; 0 if they are not a list."""
    layers = getattr(model.encoder, "encoders", None)
    row = (torch.nn.Sequential, torch.nn.ModuleList)
    return len(layers) if isinstance(layers, row) else 0


def _leave_out_transducer(args: argparse.Namespace, config_file: PathLike) -> bool:
    """Reduce a transducer to its CTC part if the package of its loss is missing.

    ESPnet cannot build a transducer without ``warprnnt_pytorch``, not even to decode;
    its encoder and CTC layer, which is all that is used here, need no such thing.
    """
    if getattr(args, "decoder", None) != "transducer":
        return False
    if getattr(args, "model", None) == DUAL_MODE_MODEL:
        return False  # its loss is torchaudio's
    if find_spec("warprnnt_pytorch") is not None:
        return False
    logging.warning(
        "%s: warprnnt_pytorch is not installed, so only the encoder and the CTC layer "
        "of this transducer are loaded",
        config_file,
    )
    args.decoder, args.decoder_conf = None, {}
    args.model_conf = {**args.model_conf, "ctc_weight": 1.0}
    return True


def load_state(
    model: torch.nn.Module, state: Mapping[str, torch.Tensor], model_file: PathLike
) -> None:
    """Load ``state`` into ``model``; the tensors must match exactly.

    Args:
        model: The model, which is changed in place.
        state: Tensors by name.
        model_file: The checkpoint, for messages.

    Raises:
        UserError: If tensors are missing, surplus or have different shapes; with the
            first ones.
    """
    if getattr(model, "only_ctc", False):
        parts = ("decoder.", "joint_network.")
        state = {k: v for k, v in state.items() if not k.startswith(parts)}
    problems = []
    try:
        # Not compared by name beforehand: ESPnet's layers rename what older releases
        # wrote while they load.
        keys = model.load_state_dict(dict(state), strict=False)
        missing, surplus = keys.missing_keys, keys.unexpected_keys
    except RuntimeError as error:
        shapes = re.findall(
            r"size mismatch for (\S+): copying a param with shape "
            r"(?:torch\.Size\()?(\[[^]]*\])\)? from checkpoint, the shape in current "
            r"model is (?:torch\.Size\()?(\[[^]]*\])",
            str(error),
        )
        if not shapes:
            raise UserError(
                f"checkpoint {model_file} does not fit: {error}. {SAME_TRAINING}"
            ) from error
        items = [f"{key} is {found}, not {wanted}" for key, found, wanted in shapes]
        problems.append(f"{len(items)} with a different shape ({_first(items)})")
        own = set(model.state_dict())
        missing, surplus = own - set(state), set(state) - own
    if missing:
        problems.append(f"{len(missing)} missing ({_first(sorted(missing))})")
    if surplus:
        problems.append(f"{len(surplus)} surplus ({_first(sorted(surplus))})")
    if problems:
        raise UserError(
            f"checkpoint {model_file} does not belong to the model in the "
            f"configuration: tensors {'; '.join(problems)}. {SAME_TRAINING}"
        )


def _check_finite(model: torch.nn.Module, model_file: PathLike) -> None:
    # Such a model writes empty texts, and nothing else would say why.
    broken = first_not_finite(
        model.state_dict(), {name for name, _ in model.named_buffers()}
    )
    if broken is not None:
        raise UserError(
            f"checkpoint {model_file}: {broken} holds NaN or infinite values, so its "
            "training diverged; use an earlier checkpoint (--model_file), or train "
            "again with a lower learning rate"
        )


def _first(items: Sequence[str]) -> str:
    shown = ", ".join(list(items)[:_SHOWN_KEYS])
    return shown + (", ..." if len(items) > _SHOWN_KEYS else "")
