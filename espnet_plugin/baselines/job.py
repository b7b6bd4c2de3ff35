"""What a baseline is asked for, and what all of them need."""

import importlib
import logging
import pkgutil
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Callable, Mapping, Optional, Sequence, Union

import torch

from espnet_plugin import baselines
from espnet_plugin.baselines.reference import Reference
from espnet_plugin.checkpoints.audio_scale import noted_scale, scale_of_tables
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment, ModelFiles
from espnet_plugin.experiment.meta import Meta
from espnet_plugin.jobs.models import PlainModel, write_model
from espnet_plugin.jobs.plain import fine_tune
from espnet_plugin.jobs.training import Training, trained
from espnet_plugin.options import read_options
from espnet_plugin.shape import Shape
from espnet_plugin.suggest import did_you_mean
from espnet_plugin.yaml_files import deep_merge, read_yaml

__all__ = ["BaselineJob", "baseline_epochs", "baseline_names", "run_baseline"]

State = Mapping[str, torch.Tensor]

# Modules of the package that are no baselines.
_SHARED = ("job", "reference", "pruned", "dev_loss")
_KEYS = ("method", "variant", "options", "training", "training_conf", "epochs")


@dataclass(frozen=True)
class BaselineJob:
    """One baseline with one seed.

    Attributes:
        method: Name of the method in the tables.
        variant: Name of the variant in the tables; empty for the main one.
        reference: The model to start from, or to be like.
        sizes: Numbers of encoder layers; other methods make models with as many
            parameters as a model of so many layers.
        training: ESPnet's training configuration.
        epochs: Epochs instead of the training's, by size.
        data_options: ESPnet's options for the data.
        output: Prefix of the folders.
        seed: Seed of the training.
        teacher_cache: Folder of the reference's stored outputs, for methods that match
            them; None: computed anew in every epoch.
        shapes: Sizes with a width of their own, for methods with ``WIDTHS``.
    """

    method: str
    variant: str
    reference: Reference
    sizes: tuple[int, ...]
    training: dict[str, Any]
    epochs: dict[Shape, int]
    data_options: tuple[str, ...]
    output: str
    seed: int
    teacher_cache: Optional[str] = None
    shapes: tuple[Shape, ...] = ()

    def folder(self, size: Union[int, Shape]) -> Path:
        """Return the folder of the model of one size."""
        return Path(f"{self.output}_{size}l")

    def training_of(self, size: Union[int, Shape]) -> dict[str, Any]:
        """Return ESPnet's training configuration for one size."""
        shape = size if isinstance(size, Shape) else Shape(size)
        epochs = _epochs_of(shape, self.epochs)
        return {**self.training, **({} if epochs is None else {"max_epoch": epochs})}

    def meta(self, size: int, **others: Any) -> Meta:
        """Return what ``meta.json`` says of one size, besides what is found out."""
        return Meta(
            method=self.method,
            variant=others.pop("variant", self.variant),
            seed=self.seed,
            size=size,
            **others,
        )

    def as_size(self, size: int) -> str:
        """Return the variant's name where all layers are kept, but made smaller."""
        layers = "layer" if size == 1 else "layers"
        return f"{self.variant} as {size} {layers}".strip()

    def audio_scale(self) -> Optional[float]:
        """Return the scale of the audio that models here hear; None: as usual."""
        if self.reference.takes_features:
            return None
        name = "--train_data_path_and_name_and_type"
        pairs = zip(self.data_options, self.data_options[1:])
        return noted_scale(scale_of_tables([v for o, v in pairs if o == name]))

    def options(self) -> list[str]:
        """Return ESPnet's options for the data and the seed."""
        return [*self.data_options, "--seed", str(self.seed)]

    def fine_tune(
        self,
        size: int,
        config: Mapping[str, Any],
        state: State,
        **meta: Any,
    ) -> Path:
        """Train a plain model from given weights with CTC; nothing is done twice.

        Args:
            size: Which of the sizes it is.
            config: Configuration of the plain model; see :meth:`Reference.config`.
            state: Its tensors.
            meta: More for ``meta.json``.

        Returns:
            The model's folder.

        Raises:
            UserError: If the folder holds a model made of another reference, or the
                tensors do not fit the configuration.
        """
        folder = self.folder(size)
        if Experiment(folder).is_finished:
            self.check_reference(folder)
        fine_tune(
            folder,
            config,
            lambda: state,
            {**config, "init": None, **self.training_of(size)},
            self.options(),
            self.meta(size, reference_sha256=self.reference.sha256, **meta),
        )
        return folder

    def train_and_export(
        self,
        size: int,
        training: Training,
        plain: Callable[[Experiment], tuple[Mapping[str, Any], State]],
        prepare: Optional[Callable[[Experiment], None]] = None,
        **meta: Any,
    ) -> Path:
        """Train with one of our own tasks, then write a plain model of what comes out.

        The training's own files are in ``train/`` of the model's folder.

        Args:
            size: Which of the sizes it is.
            training: What is trained.
            plain: Takes the folder of the finished training; returns configuration and
                tensors of the plain model.
            prepare: Takes the folder of the training; writes what it starts from.
            meta: More for ``meta.json``.

        Returns:
            The model's folder.

        Raises:
            UserError: If the folder holds another training, or a model made of another
                reference.
        """
        experiment = Experiment(self.folder(size))
        work = experiment.work
        logging.info("%s: training %s", self.method, experiment.folder)
        before = None if prepare is None else lambda: prepare(work)
        with trained(work.folder, training, before):
            pass
        if not experiment.meta_file.is_file():
            config, state = plain(work)
            self.write_model(experiment, config, state, self.meta(size, **meta), work)
        self.check_reference(experiment.folder)
        return experiment.folder

    def check_reference(self, folder: Path) -> None:
        """Refuse a finished model that was made of another reference.

        Raises:
            UserError: Naming the folder.
        """
        meta = Experiment(folder).find_meta()
        made_of = None if meta is None else meta.reference_sha256
        if None not in (made_of, self.reference.sha256) and (
            made_of != self.reference.sha256
        ):
            raise UserError(
                f"{folder} was made from a different reference than "
                f"{self.reference.checkpoint}: delete the folder, or choose another "
                "--expdir"
            )

    def write_model(
        self,
        experiment: Experiment,
        config: Mapping[str, Any],
        state: State,
        meta: Meta,
        trained_in: Optional[Experiment] = None,
        of_reference: bool = True,
    ) -> None:
        """Write a finished plain model.

        Args:
            experiment: Gets ``config.yaml``, ``model.pth``, ``cost.json``,
                ``meta.json``.
            config: Configuration of the plain model.
            state: Its tensors.
            meta: See :meth:`meta`.
            trained_in: The training that all of its cost is, if there was one.
            of_reference: Whether it learnt anything from the reference's weights.
        """
        meta = meta.but(audio_scale=self.audio_scale())
        if of_reference:
            meta = meta.but(reference_sha256=self.reference.sha256)
        write_model(experiment, PlainModel(config, state, meta), trained_in)


def baseline_names() -> list[str]:
    """Return the methods there are."""
    names = (module.name for module in pkgutil.iter_modules(baselines.__path__))
    return sorted(name for name in names if name not in _SHARED)


def run_baseline(
    recipe: Path,
    reference: ModelFiles,
    sizes: Sequence[Union[int, Shape]],
    data_options: Sequence[str],
    output: str,
    seed: int,
    training: Optional[Path] = None,
    max_epoch: Optional[int] = None,
    max_lr: Optional[float] = None,
    variant: Optional[str] = None,
    teacher_cache: Optional[str] = None,
) -> list[Path]:
    """Do what a baseline's configuration says.

    Args:
        recipe: YAML with ``method``, and perhaps ``variant``, ``options`` (the
            method's), ``training`` (ESPnet's configuration; relative to this file),
            ``training_conf`` (instead of single values there, also of single ones in
            ``optim_conf`` and the like), ``epochs`` (by size).
        reference: The reference; methods that start from nothing need no checkpoint.
        sizes: Numbers of encoder layers, or shapes with a width of their own; methods
            that make none of these leave them out, after a warning.
        data_options: ESPnet's options for the data.
        output: Prefix of the folders.
        seed: Seed of the training.
        training: Training instead of the file's, with its own number of epochs.
        max_epoch: Epochs instead of the training's.
        max_lr: Peak learning rate instead of the training's, in the optimiser and, if
            it has one, in the scheduler; named in the variant, so that models trained
            with several of them stand side by side in the tables.
        variant: Name of the variant instead of the file's.
        teacher_cache: See :class:`BaselineJob`.

    Returns:
        The finished models' folders.

    Raises:
        UserError: If the configuration or an option is not understood.
    """
    content, module, options = _read(recipe)
    method = content["method"]
    conf, epochs = _training(content, recipe, training, max_epoch)
    variant = content.get("variant") or "" if variant is None else variant
    if max_lr is not None:
        conf = _with_learning_rate(conf, max_lr)
        variant = ", ".join([*([variant] if variant else []), f"max_lr {max_lr:g}"])
    start = Reference(reference.config, reference.checkpoint)
    shapes = start.check_shapes(
        size if isinstance(size, Shape) else Shape(size) for size in sizes
    )
    plain = tuple(one.layers for one in shapes if one.width is None)
    own_width = tuple(one for one in shapes if one.width is not None)
    if own_width and not getattr(module, "WIDTHS", False):
        logging.warning(
            "%s: sizes %s are left out, because %s only makes models with the "
            "reference's width",
            recipe,
            " ".join(map(str, own_width)),
            method,
        )
        own_width = ()
    if not plain and not own_width:
        return []
    job = BaselineJob(
        method=method,
        variant=variant,
        reference=start,
        sizes=plain,
        training=conf,
        epochs=epochs,
        data_options=tuple(data_options),
        output=output,
        seed=seed,
        teacher_cache=teacher_cache,
        shapes=own_width,
    )
    return module.train(job, options)


def baseline_epochs(
    recipe: Path,
    sizes: Sequence[Shape],
    training: Optional[Path] = None,
    max_epoch: Optional[int] = None,
) -> Optional[float]:
    """Return how many epochs a baseline trains, the mean over sizes.

    Args:
        recipe: See :func:`run_baseline`, also for the others.
        sizes: Sizes of the models.
        training: Training instead of the file's.
        max_epoch: Epochs instead of the training's.

    Returns:
        The epochs; None if its models are cut out of the reference without training.

    Raises:
        UserError: If the configuration is not understood, or names no epochs.
    """
    content, _, options = _read(recipe)
    if not getattr(options, "trains", True):
        return None
    conf, epochs = _training(content, recipe, training, max_epoch)
    own = [_epochs_of(size, epochs) for size in sizes]
    each = [conf.get("max_epoch") if one is None else one for one in own]
    if None in each:
        raise UserError(f"{recipe}: the training configuration has no max_epoch")
    return sum(each) / len(each)


def _read(recipe: Path) -> tuple[dict[str, Any], ModuleType, Any]:
    """Return a baseline's file, its module and its options."""
    content = read_yaml(recipe, "--baseline")
    unknown = sorted(set(content) - set(_KEYS))
    if unknown or "method" not in content:
        raise UserError(
            f"{recipe}: {', '.join(unknown) or 'no method'}: it must have a method and "
            f"may have {', '.join(_KEYS[1:])}"
            f"{did_you_mean(unknown[0], _KEYS) if unknown else ''}"
        )
    method = content["method"]
    if method not in baseline_names():
        raise UserError(
            f"{recipe}: method {method!r} is not one of {', '.join(baseline_names())}"
            f"{did_you_mean(str(method), baseline_names())}"
        )
    module = importlib.import_module(f"{baselines.__name__}.{method}")
    return (
        content,
        module,
        _options(module.Options, content.get("options") or {}, recipe),
    )


def _training(
    content: Mapping[str, Any],
    recipe: Path,
    training: Optional[Path],
    max_epoch: Optional[int],
) -> tuple[dict[str, Any], dict[Shape, int]]:
    """Return ESPnet's training configuration, and epochs by size."""
    conf, given = {}, training is not None
    if not given and content.get("training"):
        training = recipe.parent / content["training"]
    if training is not None:
        conf = read_yaml(training, f"{recipe}: training")
    try:
        epochs = {
            Shape.parse(str(size)): int(n)
            for size, n in (content.get("epochs") or {}).items()
        }
    except UserError as error:
        raise UserError(f"{recipe}: epochs: {error}") from error
    own = dict(content.get("training_conf") or {})
    if given:
        # The file's epochs are those of its own training.
        epochs = {}
        own.pop("max_epoch", None)
    conf = deep_merge(conf, own)
    if max_epoch is not None:
        conf["max_epoch"], epochs = max_epoch, {}
    return conf, epochs


def _epochs_of(size: Shape, epochs: Mapping[Shape, int]) -> Optional[int]:
    """Return a size's epochs: its own, or those of as many layers; None if neither."""
    return epochs.get(size, epochs.get(Shape(size.layers)))


def _with_learning_rate(training: Mapping[str, Any], rate: float) -> dict[str, Any]:
    own: dict[str, Any] = {"optim_conf": {"lr": rate}}
    if "max_lr" in (training.get("scheduler_conf") or {}):
        own["scheduler_conf"] = {"max_lr": rate}
    return deep_merge(training, own)


def _options(kind: type, given: Mapping[str, Any], recipe: Path) -> Any:
    return read_options(kind, given, f"{recipe}: options")
