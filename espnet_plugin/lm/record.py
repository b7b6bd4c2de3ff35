"""What a folder of a language model says of itself: ``lm.json`` and others."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Mapping, Optional, Self, Sequence

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.records import read_keys
from espnet_plugin.files import write_json

__all__ = [
    "Cost",
    "Decoded",
    "LMRecord",
    "Measured",
    "SetFigures",
    "find_models",
    "lm_folder",
]

_RECORD, _MEASURED, _DECODED = "lm.json", "measured.json", "wer.json"


@dataclass(frozen=True)
class Cost:
    """What making a model took.

    Attributes:
        operations: The training's; see :attr:`~espnet_plugin.lm.shape.Shape`.
        tokens: Number of tokens read, with one end for each sentence.
        cpu_seconds: Processor time, validation not included.
    """

    operations: int
    tokens: int
    cpu_seconds: float

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.operations + other.operations,
            self.tokens + other.tokens,
            self.cpu_seconds + other.cpu_seconds,
        )


@dataclass(frozen=True)
class LMRecord:
    """A finished model.

    Attributes:
        row: Name of what asked for it, ``dense`` for the large one.
        method: ``dense``, ``structured``, ``low_rank``, ``scratch`` or ``further``.
        criterion: What was kept, empty where nothing was cut.
        schedule: ``one_shot``, ``incremental``, or empty.
        parts: What ``structured`` cut.
        keep: Share of the blocks' weights.
        seed: Seed of the training.
        plain: Whether ESPnet's own class holds it.
        checkpoint: Name of the file of its weights.
        parameters: Values in all.
        own: Cost of the last training.
        total: Cost of all trainings on the way, the dense model's included.
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
    own: Cost
    total: Cost

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
            costs = {name: Cost(**keys.pop(name)) for name in ("own", "total")}
            return cls(**keys, **costs)
        except (KeyError, TypeError) as error:
            raise UserError(
                f"{path} is damaged ({error}): delete the folder and train again"
            ) from error


@dataclass(frozen=True)
class SetFigures:
    """A language model on a text.

    Attributes:
        perplexity: Per token, ends of sentences included.
        names: Names of the utterances.
        nll: Negative log likelihood of each, in nats.
        tokens: Tokens of each, with its end.
    """

    perplexity: float
    names: Sequence[str]
    nll: Sequence[float]
    tokens: Sequence[int]


@dataclass(frozen=True)
class Measured:
    """What was measured on a model.

    Attributes:
        sets: Figures by name of the set.
        cut_perplexity: On the dev set before any fine-tuning; None of a model that was
            not cut.
        file_bytes: Size of the file of its weights.
        ms_per_token: Milliseconds for one token on one thread, None if not measured.
        load_average: Load of the machine meanwhile.
    """

    sets: Mapping[str, SetFigures]
    cut_perplexity: Optional[float]
    file_bytes: int
    ms_per_token: Optional[float] = None
    load_average: Optional[float] = None

    def write(self, folder: Path) -> None:
        """Write ``measured.json``."""
        write_json(Path(folder) / _MEASURED, asdict(self))

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read ``measured.json``.

        Raises:
            UserError: If it is missing.
        """
        path = Path(folder) / _MEASURED
        if not path.is_file():
            raise UserError(
                f"{path} is missing: run stage 6, which measures the models"
            )
        keys = read_keys(path)
        sets = {name: SetFigures(**one) for name, one in keys.pop("sets").items()}
        return cls(sets=sets, **keys)


@dataclass(frozen=True)
class Decoded:
    """Word error rates with a language model.

    Attributes:
        recogniser: Name of its folder.
        beam: Width of the search.
        weight: Weight of the language model, chosen on the dev set; 0 without one.
        grid: Word error rate on dev in percent by weight.
        wer: On the test set, in percent.
        ci95: Its 95 % interval over utterances.
        test_set: Name of the set.
        score_file: Its ``score.json``, from the folder of this file.
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
        """Read ``wer.json``; None where there is none."""
        path = Path(folder) / _DECODED
        return cls(**read_keys(path)) if path.is_file() else None


def find_models(exp_dir: Path, seed: Optional[int] = None) -> list[Path]:
    """Return the folders of finished language models, the dense one first.

    Args:
        exp_dir: The folder of all experiments.
        seed: Only those of this seed.
    """
    found = []
    for path in Path(exp_dir).glob(f"lm_*/{_RECORD}"):
        record = LMRecord.read(path.parent)
        if seed is None or record.seed == seed:
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
