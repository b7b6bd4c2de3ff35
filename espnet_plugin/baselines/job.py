"""One baseline with one seed, and the steps that several methods share."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Mapping, Optional, Union

import torch

from espnet_plugin.baselines.config import epochs_of
from espnet_plugin.baselines.reference import Reference
from espnet_plugin.checkpoints.audio_scale import noted_scale, scale_of_tables
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.experiment.meta import Meta
from espnet_plugin.jobs.models import PlainModel, write_model
from espnet_plugin.jobs.plain import fine_tune
from espnet_plugin.jobs.training import Training, trained
from espnet_plugin.shape import Shape

__all__ = ["BaselineJob"]

State = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class BaselineJob:
    """One baseline with one seed.

    Attributes:
        method: Name of the method in the tables.
        variant: Name of the variant in the tables; empty for the main one.
        reference: The reference, from which models start or whose architecture they
            have.
        sizes: Numbers of encoder layers. Methods that keep all layers make models with
            as many parameters as one with so many layers.
        training: ESPnet's training configuration.
        epochs: Numbers of epochs by size, instead of the configuration's.
        data_options: ESPnet's options for the data.
        output: Prefix of the folders; ``_<size>l`` is added.
        seed: Seed of the training.
        teacher_cache: Folder with the reference's stored outputs, for methods that use
            them; None: they are computed in every epoch.
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
        epochs = epochs_of(shape, self.epochs)
        return {**self.training, **({} if epochs is None else {"max_epoch": epochs})}

    def meta(self, size: int, **others: Any) -> Meta:
        """Return the description of the model of one size, for ``meta.json``.

        Args:
            size: Number of encoder layers.
            others: Further fields of :class:`Meta`, or another ``variant``.
        """
        return Meta(
            method=self.method,
            variant=others.pop("variant", self.variant),
            seed=self.seed,
            size=size,
            **others,
        )

    def as_size(self, size: int) -> str:
        """Return the name of the variant for methods that keep all layers."""
        layers = "layer" if size == 1 else "layers"
        return f"{self.variant} as {size} {layers}".strip()

    def audio_scale(self) -> Optional[float]:
        """Return the scale of the training audio's samples; None: [-1, 1]."""
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
        """Train a plain model from given weights with CTC, unless it is finished.

        Args:
            size: Number of encoder layers, one of the sizes.
            config: Configuration of the plain model; see :meth:`Reference.config`.
            state: Its initial tensors.
            meta: Further fields for ``meta.json``.

        Returns:
            Folder of the model.

        Raises:
            UserError: If the folder holds a model made from a different reference or
                with different inputs, or the tensors do not fit the configuration.
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
        """Train with one of this plugin's tasks, then write the result as a plain
        model.

        The files of the training are in ``train/`` in the model's folder.

        Args:
            size: Number of encoder layers, one of the sizes.
            training: The training.
            plain: Function of the finished training's folder that returns configuration
                and tensors of the plain model.
            prepare: Function of the training's folder that writes the initial weights.
            meta: Further fields for ``meta.json``.

        Returns:
            Folder of the model.

        Raises:
            UserError: If the folder holds a different training, or a model made from a
                different reference.
        """
        experiment = Experiment(self.folder(size))
        work = experiment.work
        logging.info("%s: training %s", self.method, experiment.folder)
        before = None if prepare is None else lambda: prepare(work)
        with trained(work.folder, training, before):
            pass
        if not experiment.is_whole_model:
            config, state = plain(work)
            self.write_model(experiment, config, state, self.meta(size, **meta), work)
        self.check_reference(experiment.folder)
        return experiment.folder

    def check_reference(self, folder: Path) -> None:
        """Check that a finished model was made from this reference.

        Raises:
            UserError: If it was made from a different one.
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
            experiment: Receives ``config.yaml``, ``model.pth``, ``cost.json`` and
                ``meta.json``.
            config: Configuration of the plain model.
            state: Its tensors.
            meta: See :meth:`meta`.
            trained_in: The training whose cost is that of the model, if there is one.
            of_reference: Whether it depends on the weights of the reference.
        """
        meta = meta.but(audio_scale=self.audio_scale())
        if of_reference:
            meta = meta.but(reference_sha256=self.reference.sha256)
        write_model(experiment, PlainModel(config, state, meta), trained_in)
