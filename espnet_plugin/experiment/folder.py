"""An experiment folder: its content, what is missing, and which stage makes that.

The names of its files are in :mod:`espnet_plugin.experiment.paths`. This module does
not import torch or ESPnet, which would take many seconds. Models are written and
trained by :mod:`espnet_plugin.jobs`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.checkpoint import (
    AVERAGED_EPOCHS,
    SINGLE_EPOCHS,
    choose_checkpoint,
)
from espnet_plugin.experiment.config import read_config
from espnet_plugin.experiment.figures import Cost, Speed
from espnet_plugin.experiment.meta import ENCRL_METHOD, REFERENCE_METHOD, Meta
from espnet_plugin.experiment.paths import ExperimentPaths
from espnet_plugin.experiment.records import read_keys
from espnet_plugin.files import write_json

__all__ = ["Experiment", "ModelFiles"]

# Prefix of ESPnet's folders of statistics, which are next to the models.
_STATISTICS = "asr_stats"


@dataclass(frozen=True)
class ModelFiles:
    """A model as a configuration and a checkpoint.

    Attributes:
        config: Path of ``config.yaml``.
        checkpoint: Path of the checkpoint; None if only the architecture is known.
    """

    config: Path
    checkpoint: Optional[Path] = None


@dataclass(frozen=True)
class Experiment(ExperimentPaths):
    """A folder that holds a training, a model, or both.

    Attributes:
        folder: Path of the folder, which need not exist yet.
    """

    # What there is

    @property
    def is_finished(self) -> bool:
        """Whether a training or an export of this plugin has finished here.

        A marker without content, which a power cut can leave, does not count: what it
        stands for may be lost as well.
        """
        try:
            return self.done_file.is_file() and self.done_file.stat().st_size > 0
        except OSError:
            return False

    @property
    def is_ours(self) -> bool:
        """Whether this plugin has started or finished something here."""
        return self.meta_file.is_file() or self.request_file.is_file()

    @property
    def is_begun(self) -> bool:
        """Whether there are files that another training would mix up or overwrite."""
        return self.is_finished or any(self.folder.glob("*.pth"))

    @property
    def is_whole_model(self) -> bool:
        """Whether all files of a model that was written here are there."""
        files = self.meta_file, self.config_file, self.model_file
        return all(file.is_file() for file in files)

    @property
    def is_averaged(self) -> bool:
        """Whether ESPnet's training has finished, since it then averages epochs."""
        return any(self.folder.glob(AVERAGED_EPOCHS))

    @property
    def num_epoch_files(self) -> int:
        """Number of checkpoints of single epochs."""
        return len(list(self.folder.glob(SINGLE_EPOCHS)))

    @property
    def is_statistics(self) -> bool:
        """Whether this is a folder of ESPnet's statistics."""
        return self.name.startswith(_STATISTICS)

    def missing(self) -> list[str]:
        """List the files of a finished model that are missing here.

        Returns:
            A line for each missing file: its name and how to make it.
        """
        wanted = [(self.config_file, self._training_way_out())]
        if not self.is_ours:
            wanted.append((self.speed_file, self._speed_way_out()))
        else:
            wanted.insert(0, (self.meta_file, self._training_way_out()))
            wanted.append((self.cost_file, self._cost_way_out()))
            meta = self.find_meta() or Meta()
            if not meta.serves_models:
                wanted.append((self.speed_file, self._speed_way_out()))
        return [f"{path.name}: {how}" for path, how in wanted if not path.is_file()]

    # Content

    def meta(self) -> Meta:
        """Read ``meta.json``.

        Raises:
            UserError: If it is missing or damaged.
        """
        found = self.find_meta()
        if found is None:
            raise self._lacks(self.meta_file, self._training_way_out())
        return found

    def find_meta(self) -> Optional[Meta]:
        """Read ``meta.json`` if there is one; see :meth:`meta`."""
        if not self.meta_file.is_file():
            return None
        return Meta.from_json(read_keys(self.meta_file), self.meta_file)

    def write_meta(self, meta: Meta) -> None:
        """Write ``meta.json``."""
        write_json(self.meta_file, meta.to_json())

    def config(self) -> dict[str, Any]:
        """Read ``config.yaml`` of an ASR model.

        Raises:
            UserError: If it is missing or not that of an ASR model.
        """
        return read_config(self.config_file)

    def request(self) -> Optional[dict[str, Any]]:
        """Read ``request.json``; None if nothing was started here."""
        if not self.request_file.is_file():
            return None
        return read_keys(self.request_file)

    def cost(self) -> Cost:
        """Read ``cost.json``.

        Raises:
            UserError: If it is missing or damaged.
        """
        if not self.cost_file.is_file():
            raise self._lacks(self.cost_file, self._cost_way_out())
        return Cost.from_json(read_keys(self.cost_file), self.cost_file)

    def speed(self) -> Speed:
        """Read ``rtf.json``.

        Raises:
            UserError: If it is missing or damaged.
        """
        if not self.speed_file.is_file():
            raise self._lacks(self.speed_file, self._speed_way_out())
        return Speed.from_json(read_keys(self.speed_file), self.speed_file)

    def checkpoint(self, name: Optional[str] = None) -> Path:
        """Return the checkpoint that is the model.

        Args:
            name: File name. By default it is that in ``meta.json`` or, without that
                file, the choice of :func:`choose_checkpoint`.

        Raises:
            UserError: If there is no checkpoint, or the training has not finished.
        """
        if name is None and self.is_ours:
            meta = self.meta()
            if meta.checkpoint is None:
                raise UserError(
                    f"{self.folder} is not a model but a training from which models "
                    f"are made ({self.meta_file} names no checkpoint): give the "
                    "folder of one of its models"
                )
            name = meta.checkpoint
        weight = self.config()["model_conf"].get("ctc_weight", 0.5)
        return choose_checkpoint(self.folder, name, ctc_only=weight == 1.0)

    def model_files(self) -> ModelFiles:
        """Return configuration and checkpoint of the model; see :meth:`checkpoint`.

        Raises:
            UserError: If one of them is missing.
        """
        if not self.config_file.is_file():
            raise self._lacks(self.config_file, self._training_way_out())
        return ModelFiles(self.config_file, self.checkpoint())

    def require_finished(self, stage: str) -> None:
        """Check that the training or export in this folder has finished.

        Args:
            stage: The stage that does it, e.g. ``stage 5 (EncRL)``, for the message.

        Raises:
            UserError: If it has not finished.
        """
        if not self.is_finished:
            raise UserError(f"{self.folder} is not finished: run {stage} first")

    # Ways out

    def _lacks(self, path: Path, way_out: str) -> UserError:
        if not self.folder.is_dir():
            return UserError(f"{self.folder} is missing: {way_out}")
        return UserError(f"{self.folder} has no {path.name}: {way_out}")

    def _stage(self) -> str:
        """Name the stage that trains this model, as far as the folder shows it."""
        meta = None
        if self.meta_file.is_file():
            meta = self.find_meta()
        method = None if meta is None else meta.method
        if method == REFERENCE_METHOD or self.name.startswith("asr_reference"):
            return "stage 4 (reference)"
        if method == ENCRL_METHOD or self.name.startswith("encrl_"):
            return "stage 5 (EncRL)"
        if method == "encrl":
            return "stage 6 (fine-tuning)"
        if self.name.startswith("dual_"):
            return "stage 5 of the dual-mode recipe"
        return "the stage that trains it (6 for fine-tuning, 8 for baselines)"

    def _training_way_out(self) -> str:
        if self.request_file.is_file() and not self.is_finished:
            return (
                f"its training is not finished: run {self._stage()} again; it resumes "
                "from the last checkpoint"
            )
        if self.config_file.is_file() and not self.request_file.is_file():
            return (
                "it was not trained by this plugin; to use it as a reference, import "
                "it (python -m espnet_plugin.bin.import_reference)"
            )
        return f"run {self._stage()} first"

    def _cost_way_out(self) -> str:
        return f"it is recorded during a training: run {self._stage()} again"

    def _speed_way_out(self) -> str:
        return (
            "run stage 7, or python -m espnet_plugin.bin.evaluate "
            f"{self.folder} --only_rtf true"
        )
