"""An experiment folder: the one place that knows the names of its files.

It is read without torch or ESPnet, which take many seconds to import. Writing a model
and training are the matter of :mod:`espnet_plugin.jobs`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.checkpoint import (
    AVERAGED_EPOCHS,
    RESUME,
    RESUME_PREVIOUS,
    SINGLE_EPOCHS,
    averaged_name,
    choose_checkpoint,
    epoch_files,
    epoch_name,
)
from espnet_plugin.experiment.config import read_config
from espnet_plugin.experiment.decoded import DECODE_PREFIX, DecodedSet, find_scored
from espnet_plugin.experiment.figures import Cost, Speed
from espnet_plugin.experiment.meta import ENCRL_METHOD, REFERENCE_METHOD, Meta
from espnet_plugin.experiment.records import read_keys
from espnet_plugin.files import write_json

__all__ = ["Experiment", "ModelFiles"]

_META, _CONFIG, _DONE, _REQUEST = (
    "meta.json",
    "config.yaml",
    "done.json",
    "request.json",
)
_COST, _SPEED, _COPIED = "cost.json", "rtf.json", "copied.json"
_TRAIN_CONFIG, _TRAIN_LOG = "train_config.yaml", "train.log"
_MODEL, _LATEST = "model.pth", "latest.pth"
# The same model as model.pth, without the masked blocks: a smaller file, no faster.
_BLOCKS = "model.blocks.pth"
# Of epochs with final masks only; ESPnet's own average may hold others.
_FINAL = "valid.cer_final.averaged.pth"
_START, _WORK = "init", "train"
# What espnet2.bin.pack says of the files in a pack.
_PACK = "meta.yaml"
# Which files an imported reference was made of, so that every stage can ask.
_SOURCE = "source.json"
_STATISTICS = "asr_stats"


@dataclass(frozen=True)
class ModelFiles:
    """A model as a configuration and a checkpoint.

    Attributes:
        config: Its ``config.yaml``.
        checkpoint: Its tensors; None where only its architecture is known.
    """

    config: Path
    checkpoint: Optional[Path] = None


@dataclass(frozen=True)
class Experiment:
    """A folder that holds a training, a model, or both.

    Attributes:
        folder: Its path; it need not exist yet.
    """

    folder: Path

    def __post_init__(self):
        object.__setattr__(self, "folder", Path(self.folder))

    # Paths

    @property
    def name(self) -> str:
        """Name of the folder, also where it is given as ``.``."""
        return self.folder.resolve().name

    @property
    def meta_file(self) -> Path:
        """What the finished training or model is."""
        return self.folder / _META

    @property
    def config_file(self) -> Path:
        """ESPnet's configuration of the model."""
        return self.folder / _CONFIG

    @property
    def done_file(self) -> Path:
        """Written at the very end."""
        return self.folder / _DONE

    @property
    def request_file(self) -> Path:
        """What this plugin was asked for when it began."""
        return self.folder / _REQUEST

    @property
    def cost_file(self) -> Path:
        """What the training costs, recorded while it runs."""
        return self.folder / _COST

    @property
    def speed_file(self) -> Path:
        """Speed, memory and size as they were measured."""
        return self.folder / _SPEED

    @property
    def copied_file(self) -> Path:
        """Which tensors EncRL's student has of the reference."""
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
        """What ``espnet2.bin.pack`` says of a packed model's files."""
        return self.folder / _PACK

    @property
    def source_file(self) -> Path:
        """The files that an imported reference was made of."""
        return self.folder / _SOURCE

    @property
    def model_file(self) -> Path:
        """The checkpoint of a model that was written, not trained, here."""
        return self.folder / _MODEL

    @property
    def blocks_file(self) -> Path:
        """The model of :attr:`model_file` without its masked blocks."""
        return self.folder / _BLOCKS

    @property
    def final_masks_file(self) -> Path:
        """Mean of a dual-mode training's epochs whose masks are final."""
        return self.folder / _FINAL

    @property
    def latest_file(self) -> Path:
        """ESPnet's link to the last epoch."""
        return self.folder / _LATEST

    @property
    def resume_file(self) -> Path:
        """ESPnet's whole state, to go on from."""
        return self.folder / RESUME

    @property
    def previous_resume_file(self) -> Path:
        """The state of the epoch before, kept while an epoch runs."""
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
        """What an EncRL run leaves: the mean of its epochs of the lowest loss."""
        return self.averaged_file("loss")

    @property
    def start(self) -> "Experiment":
        """The model that a training here starts from."""
        return Experiment(self.folder / _START)

    @property
    def work(self) -> "Experiment":
        """The training whose result this folder holds as a plain model."""
        return Experiment(self.folder / _WORK)

    def decoded(self, decoding: str, name: str) -> DecodedSet:
        """Return the folder of a decoded set; it need not exist yet."""
        return DecodedSet(self.folder / f"{DECODE_PREFIX}{decoding}" / name)

    def scored(self) -> dict[str, dict[str, DecodedSet]]:
        """Return all scored sets; see :func:`find_scored`."""
        return find_scored(self.folder)

    # What there is

    @property
    def is_finished(self) -> bool:
        """Whether a training or an export of this plugin came to its end here."""
        return self.done_file.is_file()

    @property
    def is_ours(self) -> bool:
        """Whether this plugin has begun or finished something here."""
        return self.meta_file.is_file() or self.request_file.is_file()

    @property
    def is_begun(self) -> bool:
        """Whether there is something that another training would mix or lose."""
        return self.is_finished or any(self.folder.glob("*.pth"))

    @property
    def is_averaged(self) -> bool:
        """Whether ESPnet's training came to its end, where it averages epochs."""
        return any(self.folder.glob(AVERAGED_EPOCHS))

    @property
    def num_epoch_files(self) -> int:
        """Number of checkpoints of single epochs."""
        return len(list(self.folder.glob(SINGLE_EPOCHS)))

    @property
    def is_statistics(self) -> bool:
        """Whether it is a folder of ESPnet's statistics, which lie beside models."""
        return self.name.startswith(_STATISTICS)

    def missing(self) -> list[str]:
        """Say what a finished model should have and has not, and where it comes from.

        Returns:
            A line for each missing file: its name and what makes it.
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
            UserError: If there is none, which says what makes it, or it is damaged.
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
            UserError: If there is none, or it is not that of an ASR model.
        """
        return read_config(self.config_file)

    def request(self) -> Optional[dict[str, Any]]:
        """Read what was asked for, None where nothing was begun."""
        if not self.request_file.is_file():
            return None
        return read_keys(self.request_file)

    def cost(self) -> Cost:
        """Read ``cost.json``.

        Raises:
            UserError: If there is none, which says what makes it, or it is damaged.
        """
        if not self.cost_file.is_file():
            raise self._lacks(self.cost_file, self._cost_way_out())
        return Cost.from_json(read_keys(self.cost_file), self.cost_file)

    def speed(self) -> Speed:
        """Read ``rtf.json``.

        Raises:
            UserError: If there is none, which says what makes it, or it is damaged.
        """
        if not self.speed_file.is_file():
            raise self._lacks(self.speed_file, self._speed_way_out())
        return Speed.from_json(read_keys(self.speed_file), self.speed_file)

    def checkpoint(self, name: Optional[str] = None) -> Path:
        """Return the checkpoint that is the model.

        Args:
            name: File name; by default that of ``meta.json``, and of folders without
                one the best, see :func:`choose_checkpoint`.

        Raises:
            UserError: If there is none, or the training has not ended.
        """
        if name is None and self.is_ours:
            meta = self.meta()
            if meta.checkpoint is None:
                raise UserError(
                    f"{self.folder} is a training that models are made of, and no "
                    f"model itself ({self.meta_file} names no checkpoint): give the "
                    "folder of one of its models"
                )
            name = meta.checkpoint
        weight = self.config()["model_conf"].get("ctc_weight", 0.5)
        return choose_checkpoint(self.folder, name, ctc_only=weight == 1.0)

    def model_files(self) -> ModelFiles:
        """Return configuration and checkpoint of the model; see :meth:`checkpoint`."""
        if not self.config_file.is_file():
            raise self._lacks(self.config_file, self._training_way_out())
        return ModelFiles(self.config_file, self.checkpoint())

    def require_finished(self, stage: str) -> None:
        """Refuse a folder whose training or export has not ended.

        Args:
            stage: What makes it, e.g. ``stage 5 (EncRL)``.

        Raises:
            UserError: Naming the folder and the stage.
        """
        if not self.is_finished:
            raise UserError(f"{self.folder} is not finished: run {stage} first")

    # Ways out

    def _lacks(self, path: Path, way_out: str) -> UserError:
        if not self.folder.is_dir():
            return UserError(f"{self.folder} is missing: {way_out}")
        return UserError(f"{self.folder} has no {path.name}: {way_out}")

    def _stage(self) -> str:
        """Name the stage that trains what is here, as far as the folder tells."""
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
        return "the stage that trains it (6 fine-tuning, 8 baselines)"

    def _training_way_out(self) -> str:
        if self.request_file.is_file() and not self.is_finished:
            return (
                f"its training has not ended: run {self._stage()} again, it goes on "
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
