"""Names of the files in an experiment folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from espnet_plugin.experiment.checkpoint import (
    RESUME,
    RESUME_PREVIOUS,
    averaged_name,
    epoch_files,
    epoch_name,
)
from espnet_plugin.experiment.decoded import DECODE_PREFIX, DecodedSet, find_scored

__all__ = ["ExperimentPaths"]

_META, _CONFIG, _DONE, _REQUEST = (
    "meta.json",
    "config.yaml",
    "done.json",
    "request.json",
)
_COST, _SPEED, _COPIED = "cost.json", "rtf.json", "copied.json"
_TRAIN_CONFIG, _TRAIN_LOG = "train_config.yaml", "train.log"
_MODEL, _LATEST = "model.pth", "latest.pth"
# The same model as model.pth without the masked blocks: smaller, but not faster.
_BLOCKS = "model.blocks.pth"
# Average of epochs with final masks only; ESPnet's average may include others.
_FINAL = "valid.cer_final.averaged.pth"
_EXPORTS = "export"
_CONFIDENCE = "confidence.json"
_START, _WORK = "init", "train"
# Description of the files in a pack by espnet2.bin.pack.
_PACK = "meta.yaml"
# List of the files from which a reference was imported, for all stages.
_SOURCE = "source.json"


@dataclass(frozen=True)
class ExperimentPaths:
    """Paths of the files of an experiment, whether they exist or not.

    Attributes:
        folder: The experiment's folder.
    """

    folder: Path

    def __post_init__(self):
        object.__setattr__(self, "folder", Path(self.folder))

    @property
    def name(self) -> str:
        """Name of the folder, even if its path is ``.``."""
        return self.folder.resolve().name

    @property
    def meta_file(self) -> Path:
        """Description of the finished training or model; see :class:`Meta`."""
        return self.folder / _META

    @property
    def config_file(self) -> Path:
        """ESPnet's configuration of the model."""
        return self.folder / _CONFIG

    @property
    def done_file(self) -> Path:
        """Written when everything is finished."""
        return self.folder / _DONE

    @property
    def request_file(self) -> Path:
        """The request with which this plugin started the training or export."""
        return self.folder / _REQUEST

    @property
    def cost_file(self) -> Path:
        """Cost of the training, recorded while it runs."""
        return self.folder / _COST

    @property
    def exports(self) -> Path:
        """Folder of the exports for devices, with a folder for each target."""
        return self.folder / _EXPORTS

    @property
    def confidence_file(self) -> Path:
        """Calibration of the model's word confidence."""
        return self.folder / _CONFIDENCE

    @property
    def speed_file(self) -> Path:
        """Measured speed, memory and size."""
        return self.folder / _SPEED

    @property
    def copied_file(self) -> Path:
        """Tensors that EncRL's student has copied from the reference."""
        return self.folder / _COPIED

    @property
    def train_config_file(self) -> Path:
        """The configuration that a training was started with."""
        return self.folder / _TRAIN_CONFIG

    @property
    def train_log(self) -> Path:
        """The log of the last start; see :meth:`train_logs`."""
        return self.folder / _TRAIN_LOG

    def train_logs(self) -> list[Path]:
        """Return all logs of the training, the oldest first.

        ESPnet renames the log of an earlier start to ``train.1.log``, and that to
        ``train.2.log``.
        """
        older = [
            (int(path.name.split(".")[1]), path)
            for path in self.folder.glob("train.*.log")
            if path.name.split(".")[1].isdigit() and path.name.count(".") == 2
        ]
        newest = [self.train_log] if self.train_log.is_file() else []
        return [path for _, path in sorted(older, reverse=True)] + newest

    @property
    def pack_file(self) -> Path:
        """Description of a packed model's files by ``espnet2.bin.pack``."""
        return self.folder / _PACK

    @property
    def source_file(self) -> Path:
        """List of the files from which a reference was imported."""
        return self.folder / _SOURCE

    @property
    def model_file(self) -> Path:
        """Checkpoint of a model that was written here, not trained."""
        return self.folder / _MODEL

    @property
    def blocks_file(self) -> Path:
        """The model of :attr:`model_file` without its masked blocks."""
        return self.folder / _BLOCKS

    @property
    def final_masks_file(self) -> Path:
        """Average of a dual-mode training's epochs with final masks."""
        return self.folder / _FINAL

    @property
    def latest_file(self) -> Path:
        """ESPnet's link to the last epoch."""
        return self.folder / _LATEST

    @property
    def resume_file(self) -> Path:
        """ESPnet's complete state, for resuming."""
        return self.folder / RESUME

    @property
    def previous_resume_file(self) -> Path:
        """The state after the previous epoch, kept while an epoch runs."""
        return self.folder / RESUME_PREVIOUS

    def epoch_file(self, epoch: int) -> Path:
        """Return the checkpoint of one epoch."""
        return self.folder / epoch_name(epoch)

    def epoch_files(self) -> list[Path]:
        """Return the checkpoints of single epochs that were kept, in their order."""
        return epoch_files(self.folder)

    def averaged_file(self, criterion: str) -> Path:
        """Return the mean of the best epochs by a criterion on the dev set."""
        return self.folder / averaged_name(criterion)

    @property
    def encrl_file(self) -> Path:
        """Result of an EncRL run: the average of the epochs with the lowest loss."""
        return self.averaged_file("loss")

    @property
    def start(self) -> Self:
        """The model from which a training here starts."""
        return type(self)(self.folder / _START)

    @property
    def work(self) -> Self:
        """The training whose result this folder holds as a plain model."""
        return type(self)(self.folder / _WORK)

    def decoded(self, decoding: str, name: str) -> DecodedSet:
        """Return the folder of a decoded set; it need not exist yet."""
        return DecodedSet(self.folder / f"{DECODE_PREFIX}{decoding}" / name)

    def scored(self) -> dict[str, dict[str, DecodedSet]]:
        """Return all scored sets; see :func:`find_scored`."""
        return find_scored(self.folder)
