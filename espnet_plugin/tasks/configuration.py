"""Check what a training configuration says inside its sections, before it is used.

ESPnet reads ``encoder_conf`` and the other sections when it builds the part, so that a
mistake in the configuration of a late stage appears after hours of work, as an
exception of the part. Here the same classes are asked without data and weights.
"""

import argparse
import inspect
import traceback
from collections.abc import Mapping
from typing import Any, Callable, Optional, Union

import torch
from espnet2.asr.ctc import CTC
from espnet2.asr.espnet_model import ESPnetASRModel
from espnet2.tasks.abs_task import AbsTask, optim_classes, scheduler_classes
from espnet2.tasks.asr import encoder_choices, frontend_choices
from espnet2.train.class_choices import ClassChoices

from espnet_plugin.distill.objectives import WeightedObjectives
from espnet_plugin.errors import UserError
from espnet_plugin.names import DUAL_MODE, ESPNET
from espnet_plugin.suggest import did_you_mean
from espnet_plugin.tasks.asr import CountedASRTask
from espnet_plugin.tasks.augmentation import check_effects
from espnet_plugin.tasks.rate_limits import check_limits
from espnet_plugin.tasks.schedule_trial import try_schedule

__all__ = ["check_configuration"]

# Built here to find wrong values: these need no data, no download and milliseconds.
_BUILT = {
    "specaug": {"specaug"},
    "encoder": {
        *("conformer", "transformer", "branchformer", "e_branchformer", "rnn"),
        *("vgg_rnn", "contextual_block_conformer", "contextual_block_transformer"),
        DUAL_MODE,
    },
}
_MEL_BINS = 80
_WIDTH = 8


_NONE = ("none", "null", "nil")


def _number(text: str) -> Union[int, str]:
    try:
        return int(text)
    except ValueError:
        return text


def _whole(lowest: int, optional: bool = False) -> tuple[Callable[[Any], bool], str]:
    def right(value: Any) -> bool:
        if isinstance(value, str):  # as ESPnet reads "3" and "none"
            value = None if value.lower() in _NONE else _number(value)
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        return (optional and value is None) or (is_whole and value >= lowest)

    return right, f"must be a whole number, {lowest} or more" + (
        ", or null" if optional else ""
    )


_RANGES = {
    "max_epoch": _whole(1),
    "accum_grad": _whole(1),
    "num_workers": _whole(0),
    "log_interval": _whole(1, optional=True),
    "patience": _whole(0, optional=True),
    "batch_bins": _whole(1),
    "batch_size": _whole(1),
    "valid_batch_bins": _whole(1, optional=True),
    "valid_batch_size": _whole(1, optional=True),
    "num_iters_per_epoch": _whole(1, optional=True),
}


def check_configuration(task: type[AbsTask], content: Any, where: str) -> None:
    """Check a training configuration against the classes of a task.

    Args:
        task: ESPnet's task, or one of this plugin's.
        content: The configuration, as in a YAML file; it need not be complete.
        where: Option and file, for messages.

    Raises:
        UserError: Naming the key, its value and what is right.
    """
    if not isinstance(content, Mapping):
        raise UserError(f"{where}: must be a mapping of options, such as max_epoch: 3")
    for key, (right, words) in _RANGES.items():
        if key in content and not right(content[key]):
            raise UserError(f"{where}: {key} {content[key]!r}: {words}")
    for key in ("best_model_criterion",):
        for one in content.get(key) or ():
            _check_criterion(one, f"{where}: {key}")
    _check_declared(task, content, where)
    for choices in task.class_choices_list:
        if choices.name != "model":  # its options are checked below, or by its own task
            _check_section(choices, content, where)
    _check_keys(CTC, content.get("ctc_conf"), f"{where}: ctc_conf", skip=3)
    if task is CountedASRTask and content.get("model", ESPNET) == ESPNET:
        section = f"{where}: model_conf"
        _check_keys(ESPnetASRModel, content.get("model_conf"), section, of=ESPNET)
    _check_optimiser(content, where)
    _check_pretrained(content, where)
    check_effects(content, where)
    _check_student(content, where)


def _check_pretrained(content: Mapping, where: str) -> None:
    """Refuse ``init`` where it would erase pre-trained weights without a message.

    ESPnet 202611 loads those of other pre-trained parts again
    (findings/espnet_init_pretrained.sh).
    """
    init = content.get("init")
    if init is None or str(init).lower() in _NONE or content.get("init_param"):
        return
    for part in ("encoder", "decoder"):
        if content.get(part) == "whisper":
            raise UserError(
                f"{where}: init {init}: it would replace the pre-trained weights of "
                f"{part}: whisper with random ones; leave it out"
            )


def _check_criterion(value: Any, where: str) -> None:
    if isinstance(value, str):
        value = value.split(",")
    if (
        not isinstance(value, (list, tuple))
        or len(value) != 3
        or value[0] not in ("train", "valid")
        or value[2] not in ("min", "max")
    ):
        raise UserError(f"{where} {value}: must be like [valid, cer_ctc, min]")


def _check_declared(task: type[AbsTask], content: Mapping, where: str) -> None:
    """Check values against the types and choices that ESPnet's parser declares."""
    for action in task.get_parser()._actions:
        value = content.get(action.dest)
        if value is None or isinstance(value, (Mapping, list, tuple)):
            continue
        if action.dest.endswith("_conf"):
            raise UserError(f"{where}: {action.dest} {value!r}: must be a mapping")
        if isinstance(value, bool) or action.type is None:
            found = value
        else:
            try:
                found = action.type(str(value))
            except (ValueError, TypeError, argparse.ArgumentTypeError) as error:
                kind = getattr(action.type, "__name__", "value")
                raise UserError(
                    f"{where}: {action.dest} {value!r}: must be of type {kind}"
                ) from error
        if action.choices is not None and found not in action.choices:
            known = [str(one) for one in action.choices if one is not None]
            raise UserError(
                f"{where}: {action.dest} {value}: is not one of {', '.join(known)}"
                f"{did_you_mean(str(value), known)}"
            )


def _check_section(choices: ClassChoices, content: Mapping, where: str) -> None:
    name = choices.name
    conf = content.get(f"{name}_conf")
    if name not in content and not conf:
        return
    chosen = content.get(name, choices.default)
    if chosen is None:
        return
    kind = choices.classes.get(str(chosen).lower())
    if kind is None:  # ESPnet's parser has already accepted it: a default of ours
        return
    section = f"{where}: {name}_conf"
    _check_keys(kind, conf, section, of=f"{name} {chosen}")
    if str(chosen).lower() not in _BUILT.get(name, ()) or name not in content:
        return
    given = {"input_size": _MEL_BINS} if name == "encoder" else {}
    try:
        with torch.device("meta"):
            kind(**given, **(conf or {}))
    except UserError as error:
        raise UserError(f"{section}: {error}") from error
    except RuntimeError:
        return  # not every part can be built without memory
    except Exception as error:  # ESPnet's parts raise all kinds
        raise UserError(f"{section} of {name} {chosen}: {_reason(error)}") from error


def _check_keys(
    kind: type, conf: Any, section: str, of: Optional[str] = None, skip: int = 1
) -> None:
    """Check the names in a section against the arguments of a class."""
    if not conf:
        return
    if not isinstance(conf, Mapping):
        raise UserError(f"{section} {conf!r}: must be a mapping of options")
    arguments = list(inspect.signature(kind.__init__).parameters.values())[skip:]
    if any(one.kind is one.VAR_KEYWORD for one in arguments):
        return
    known = [one.name for one in arguments]
    for key in conf:
        if key not in known:
            near = did_you_mean(str(key), known)
            raise UserError(
                f"{section}: {of or kind.__name__} has no option {key}"
                f"{near or '; its options are ' + ', '.join(known)}"
            )


def _check_optimiser(content: Mapping, where: str) -> None:
    name = content.get("optim", "adadelta")
    optimiser_kind = optim_classes.get(str(name).lower())
    conf = content.get("optim_conf")
    section = f"{where}: optim_conf"
    if optimiser_kind is None:
        return
    _check_keys(optimiser_kind, conf, section, of=f"optim {name}", skip=2)

    def make() -> torch.optim.Optimizer:
        return optimiser_kind([torch.nn.Parameter(torch.zeros(1))], **(conf or {}))

    try:
        make().step()
    except Exception as error:  # a wrong value, whatever its kind
        raise UserError(f"{section} {conf} of {name}: {_reason(error)}") from error
    scheduler = content.get("scheduler")
    kind = scheduler_classes.get(str(scheduler).lower())
    if kind is not None:
        section = f"{where}: scheduler_conf"
        options = content.get("scheduler_conf") or {}
        _check_keys(kind, options, section, of=f"scheduler {scheduler}", skip=2)
        known = inspect.signature(kind).parameters
        required = {n for n, one in known.items() if one.default is one.empty}
        if required - set(options) <= {"optimizer"}:  # others: on the command line
            try:
                try_schedule(str(scheduler).lower(), kind, options, make)
            except Exception as error:
                reason = _reason(error)
                raise UserError(
                    f"{section} {options} of {scheduler}: {reason}"
                ) from error
        check_limits(str(scheduler), kind, content, where)


def _check_student(content: Mapping, where: str) -> None:
    """Check the sections that only EncRL has."""
    for choices in (encoder_choices, frontend_choices):
        name = f"student_{choices.name}"
        kind = choices.classes.get(str(content.get(name)).lower())
        if kind is not None:
            conf = content.get(f"{name}_conf")
            _check_keys(kind, conf, f"{where}: {name}_conf", of=str(content[name]))
    objectives = (content.get("model_conf") or {}).get("objectives")
    if objectives is not None:
        try:
            WeightedObjectives(objectives, _WIDTH, _WIDTH)
        except UserError as error:
            raise UserError(f"{where}: model_conf: {error}") from error


def _reason(error: Exception) -> str:
    """Return an exception in words; for a bare assertion, what was asserted."""
    if str(error):
        return f"{type(error).__name__}: {error}"
    line = traceback.extract_tb(error.__traceback__)[-1].line or type(error).__name__
    return f"does not hold: {line.removeprefix('assert ')}"
