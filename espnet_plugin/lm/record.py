"""Records in the folder of a language model: ``lm.json`` and others."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Mapping, Optional, Self, Sequence

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.records import read_keys
from espnet_plugin.files import write_json

__all__ = [
    "Decoded",
    "LMCost",
    "LMRecord",
    "Measured",
    "SetFigures",
    "find_models",
    "lm_folder",
]

_RECORD, _MEASURED, _DECODED = "lm.json", "measured.json", "wer.json"


@dataclass(frozen=True)
class LMCost:
    """Cost of making a model.

    Attributes:
        operations: Operations of the training; see
            :attr:`~espnet_plugin.lm.shape.LMShape.operations`.
        tokens: Number of training tokens, including an end token for each sentence.
        cpu_seconds: Processor time without validation, in seconds.
    """

    operations: int
    tokens: int
    cpu_seconds: float

    def __add__(self, other: "LMCost") -> "LMCost":
        return LMCost(
            self.operations + other.operations,
            self.tokens + other.tokens,
            self.cpu_seconds + other.cpu_seconds,
        )


@dataclass(frozen=True)
class LMRecord:
    """Record of a finished model.

    Attributes:
        row: Name of its row; ``dense`` for the large model.
        method: ``dense``, ``structured``, ``low_rank``, ``scratch`` or ``further``.
        criterion: Criterion of importance; empty if nothing was removed.
        schedule: ``one_shot``, ``incremental``, or empty.
        parts: Parts that ``structured`` removed.
        keep: Share of the blocks' weights that was kept.
        seed: Seed of the training.
        plain: Whether it is a model of ESPnet's own class.
        checkpoint: Name of the checkpoint.
        parameters: Number of parameters.
        own: Cost of the last training.
        total: Cost of all trainings that led to it, including the dense model's.
    """

    row: str
    method: str
    criterion: str
    schedule: str
    parts: str
    keep: float
    seed: int
    plain: bool
    checkpoint: str
    parameters: int
    own: LMCost
    total: LMCost

    def write(self, folder: Path) -> None:
        """Write ``lm.json``."""
        write_json(Path(folder) / _RECORD, asdict(self))

    @staticmethod
    def is_in(folder: Path) -> bool:
        """Return whether a folder holds a finished model."""
        return Path(folder, _RECORD).is_file()

    @classmethod
    def read(cls, folder: Path, way_out: str = "train this model first") -> Self:
        """Read ``lm.json``.

        Raises:
            UserError: If it is missing or damaged.
        """
        path = Path(folder) / _RECORD
        if not path.is_file():
            raise UserError(f"{path} is missing: {way_out}")
        keys = read_keys(path)
        try:
            costs = {name: LMCost(**keys.pop(name)) for name in ("own", "total")}
            return cls(**keys, **costs)
        except (KeyError, TypeError) as error:
            raise UserError(
                f"{path} is damaged ({error}): delete the folder and train again"
            ) from error


@dataclass(frozen=True)
class SetFigures:
    """Figures of a language model on a text.

    Attributes:
        perplexity: Perplexity per token, including ends of sentences.
        names: Ids of the utterances.
        nll: Negative log likelihood of each utterance, in nats.
        tokens: Number of tokens of each utterance, including its end.
    """

    perplexity: float
    names: Sequence[str]
    nll: Sequence[float]
    tokens: Sequence[int]


@dataclass(frozen=True)
class Measured:
    """Measurements of a model.

    Attributes:
        sets: Figures on each set, by name.
        cut_perplexity: Perplexity on the dev set before fine-tuning; None if nothing
            was removed.
        file_bytes: Size of the checkpoint in bytes.
        ms_per_token: Time per token on one thread in ms; None if not measured.
        load_average: Load average of the machine during the measurement.
        made_of: Digests of the checkpoint and of the text of each set; empty in
            records of earlier versions.
    """

    sets: Mapping[str, SetFigures]
    cut_perplexity: Optional[float]
    file_bytes: int
    ms_per_token: Optional[float] = None
    load_average: Optional[float] = None
    made_of: Mapping[str, str] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write ``measured.json``."""
        write_json(Path(folder) / _MEASURED, asdict(self))

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read ``measured.json``.

        Raises:
            UserError: If it is missing or damaged.
        """
        path = Path(folder) / _MEASURED
        if not path.is_file():
            raise UserError(
                f"{path} is missing: run stage 6, which measures the models"
            )
        keys = read_keys(path)
        try:
            sets = {name: SetFigures(**one) for name, one in keys.pop("sets").items()}
            return cls(sets=sets, **keys)
        except (AttributeError, KeyError, TypeError) as error:
            raise _damaged(path, error, 6) from error


@dataclass(frozen=True)
class Decoded:
    """Word error rates with a language model.

    Attributes:
        recogniser: Name of the recogniser's folder.
        beam: Beam size of the search.
        weight: Weight of the language model, chosen on the dev set; 0 without a model.
        grid: Word error rate on dev in percent, by weight.
        wer: Word error rate on the test set, in percent.
        ci95: 95 % interval of ``wer`` over utterances.
        test_set: Name of the test set.
        score_file: Path of its ``score.json``, relative to the folder of this record.
    """

    recogniser: str
    beam: int
    weight: float
    grid: Mapping[str, float]
    wer: float
    ci95: tuple[float, float]
    test_set: str
    score_file: str

    def write(self, folder: Path) -> None:
        """Write ``wer.json``."""
        write_json(Path(folder) / _DECODED, asdict(self))

    @classmethod
    def find(cls, folder: Path) -> Optional[Self]:
        """Read ``wer.json``; None if it is missing.

        Raises:
            UserError: If it is damaged.
        """
        path = Path(folder) / _DECODED
        if not path.is_file():
            return None
        try:
            return cls(**read_keys(path))
        except TypeError as error:
            raise _damaged(path, error, 7) from error


def _damaged(path: Path, error: Exception, stage: int) -> UserError:
    return UserError(
        f"{path} is damaged ({error}): delete it and run stage {stage} again"
    )


def find_models(exp_dir: Path, seeds: Sequence[int] = ()) -> list[Path]:
    """Return the folders of finished language models, the dense one first.

    Args:
        exp_dir: Folder of all experiments.
        seeds: If given, only models with one of these seeds are returned.
    """
    found = []
    for path in Path(exp_dir).glob(f"lm_*/{_RECORD}"):
        record = LMRecord.read(path.parent)
        if not seeds or record.seed in seeds:
            found.append((record.method != "dense", record.row, -record.keep, path))
    return [path.parent for *_, path in sorted(found)]


def lm_folder(exp_dir: Path, row: str, seed: int, keep: Optional[float] = None) -> Path:
    """Return the folder of a model: ``lm_<row>[_k<percent>]_s<seed>``.

    Args:
        exp_dir: Folder of all experiments.
        row: Name of the row.
        seed: Seed of the training.
        keep: Share of the weights that are kept, 0 to 1; None: not in the name.
    """
    share = "" if keep is None else f"_k{100 * keep:g}"
    return Path(exp_dir) / f"lm_{row}{share}_s{seed}"
