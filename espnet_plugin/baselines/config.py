"""The configuration file of a baseline: its method, and how that is trained."""

import importlib
import logging
import pkgutil
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Mapping, Optional, Sequence

from espnet_plugin import baselines
from espnet_plugin.errors import UserError
from espnet_plugin.options import read_options
from espnet_plugin.shape import Shape
from espnet_plugin.suggest import did_you_mean
from espnet_plugin.yaml_files import deep_merge, read_yaml

__all__ = [
    "BaselineConfig",
    "baseline_epochs",
    "baseline_names",
    "check_variants",
    "epochs_of",
    "read_baseline",
    "with_learning_rate",
]

# Modules of the package that are not baselines.
_SHARED = ("config", "dev_loss", "job", "planned", "pruned", "reference", "run")
_KEYS = ("method", "variant", "options", "training", "training_conf", "epochs")


def baseline_names() -> list[str]:
    """Return the names of all methods, in alphabetical order."""
    names = (module.name for module in pkgutil.iter_modules(baselines.__path__))
    return sorted(name for name in names if name not in _SHARED)


@dataclass(frozen=True)
class BaselineConfig:
    """What the configuration file of a baseline says.

    Attributes:
        file: The YAML file.
        method: Name of the method, which is that of its module.
        variant: Name of the variant in the tables; empty for the main one.
        module: The module with the method's ``Options`` and ``train``.
        options: An instance of the module's ``Options``.
        training: File with ESPnet's training configuration; None if there is none.
        training_conf: Values that replace those of ``training``; nested mappings such
            as ``optim_conf`` are merged.
        epochs: Epochs by size, instead of the training configuration's ``max_epoch``.
    """

    file: Path
    method: str
    variant: str
    module: ModuleType
    options: Any
    training: Optional[Path]
    training_conf: Mapping[str, Any]
    epochs: Mapping[Shape, int]

    @property
    def trains(self) -> bool:
        """Whether models are trained, not only cut out of the reference."""
        return getattr(self.options, "trains", True)

    @property
    def makes_widths(self) -> bool:
        """Whether the method makes models with a width other than the reference's."""
        return getattr(self.module, "WIDTHS", False)

    def variant_at(self, max_lr: Optional[float] = None) -> str:
        """Return the name of the variant, with a learning rate that was chosen."""
        rate = [] if max_lr is None else [f"max_lr {max_lr:g}"]
        return ", ".join([*([self.variant] if self.variant else []), *rate])

    def read_training(
        self, training: Optional[Path] = None, max_epoch: Optional[int] = None
    ) -> tuple[dict[str, Any], dict[Shape, int]]:
        """Return ESPnet's training configuration, and epochs by size.

        Args:
            training: Training configuration to use instead of the file's. Its own
                number of epochs then holds, and not those in the baseline's file.
            max_epoch: Number of epochs for all sizes.

        Returns:
            The configuration as nested dictionaries, and the sizes that have a number
            of epochs of their own.

        Raises:
            UserError: If a file cannot be read.
        """
        conf, epochs = dict(self.training_conf), dict(self.epochs)
        if training is not None:
            own = [*epochs.values(), *filter(None, [conf.pop("max_epoch", None)])]
            if own and max_epoch is None:
                logging.warning(
                    "%s: its epochs (%s) are not used, but those of %s, which replaces "
                    "its training: give --baseline_training '' to use its own, or "
                    "--baseline_epochs",
                    self.file,
                    ", ".join(map(str, own)),
                    training,
                )
            epochs = {}
        file = training or self.training
        if file is not None:
            conf = deep_merge(read_yaml(file, f"{self.file}: training"), conf)
        if max_epoch is not None:
            conf["max_epoch"], epochs = max_epoch, {}
        return conf, epochs


def read_baseline(file: Path) -> BaselineConfig:
    """Read the configuration of a baseline.

    Args:
        file: YAML with ``method``, and optionally ``variant``, ``options`` (the
            method's), ``training`` (file of ESPnet's training configuration, relative
            to this file), ``training_conf`` (values that replace those of ``training``,
            also single ones of ``optim_conf`` and the like) and ``epochs`` (by size).

    Raises:
        UserError: If the file cannot be read, has an unknown key or option, or names
            no method or an unknown one.
    """
    content = read_yaml(file, "--baseline")
    unknown = sorted(set(content) - set(_KEYS))
    if unknown or "method" not in content:
        raise UserError(
            f"{file}: {', '.join(unknown) or 'no method'}: it must have a method and "
            f"may have {', '.join(_KEYS[1:])}"
            f"{did_you_mean(unknown[0], _KEYS) if unknown else ''}"
        )
    method = content["method"]
    if method not in baseline_names():
        raise UserError(
            f"{file}: method {method!r} is not one of {', '.join(baseline_names())}"
            f"{did_you_mean(str(method), baseline_names())}"
        )
    module = importlib.import_module(f"{baselines.__name__}.{method}")
    given, training = content.get("options") or {}, content.get("training")
    _check_kinds(file, content)
    return BaselineConfig(
        file=file,
        method=method,
        variant=content.get("variant") or "",
        module=module,
        options=read_options(module.Options, given, f"{file}: options"),
        training=file.parent / training if training else None,
        training_conf=content.get("training_conf") or {},
        epochs=_read_epochs(content.get("epochs") or {}, file),
    )


def _check_kinds(file: Path, content: Mapping[str, Any]) -> None:
    """Check the values that the file's keys have, before the first training."""
    for key, kind, words in (
        ("variant", str, "text; write a number in quotes"),
        ("training", str, "the name of a file"),
        ("training_conf", Mapping, "a mapping, e.g. {max_epoch: 7}"),
    ):
        value = content.get(key)
        if value is not None and not isinstance(value, kind):
            raise UserError(f"{file}: {key} {value!r}: must be {words}")


def check_variants(configs: Sequence["BaselineConfig"]) -> None:
    """Check that the tables can tell baselines from each other.

    Raises:
        UserError: If two have the same method and variant; it names their files.
    """
    seen: dict[tuple[str, str], Path] = {}
    for one in configs:
        other = seen.setdefault((one.method, one.variant), one.file)
        if other != one.file:
            raise UserError(
                f"{other} and {one.file} both have method {one.method} and variant "
                f"{one.variant!r}, so that the tables could not tell their models "
                "apart: give one of them a variant of its own"
            )


def _read_epochs(given: Any, file: Path) -> dict[Shape, int]:
    if not isinstance(given, Mapping):
        raise UserError(f"{file}: epochs {given!r}: must be a mapping, e.g. {{6: 7}}")
    epochs = {}
    for size, number in given.items():
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise UserError(
                f"{file}: epochs: {size}: {number!r} must be a whole number from 1"
            )
        try:
            epochs[Shape.parse(str(size))] = number
        except UserError as error:
            raise UserError(f"{file}: epochs: {error}") from error
    return epochs


def baseline_epochs(
    file: Path,
    sizes: Sequence[Shape],
    training: Optional[Path] = None,
    max_epoch: Optional[int] = None,
) -> Optional[float]:
    """Return how many epochs a baseline trains, as the mean over sizes.

    Args:
        file: See :func:`read_baseline`.
        sizes: Sizes of the models.
        training: See :meth:`BaselineConfig.read_training`.
        max_epoch: See there.

    Returns:
        The epochs; None if the models are cut out of the reference without training.

    Raises:
        UserError: If a configuration is wrong or does not say how many epochs.
    """
    config = read_baseline(file)
    if not config.trains:
        return None
    conf, epochs = config.read_training(training, max_epoch)
    own = [epochs_of(size, epochs) for size in sizes]
    each = [conf.get("max_epoch") if one is None else one for one in own]
    if None in each:
        raise UserError(f"{file}: the training configuration has no max_epoch")
    return sum(each) / len(each)


def epochs_of(size: Shape, epochs: Mapping[Shape, int]) -> Optional[int]:
    """Return a size's epochs, or those of the same number of layers; None if neither.

    Args:
        size: Size of a model.
        epochs: Epochs by size.
    """
    return epochs.get(size, epochs.get(Shape(size.layers)))


def with_learning_rate(training: Mapping[str, Any], rate: float) -> dict[str, Any]:
    """Return a training configuration with another peak learning rate.

    Args:
        training: ESPnet's training configuration.
        rate: Peak learning rate of the optimiser and, if the scheduler has a
            ``max_lr``, of the scheduler.
    """
    own: dict[str, Any] = {"optim_conf": {"lr": rate}}
    if "max_lr" in (training.get("scheduler_conf") or {}):
        own["scheduler_conf"] = {"max_lr": rate}
    return deep_merge(training, own)
