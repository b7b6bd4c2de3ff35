"""The options of the teacher cache, for every task that uses one."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Optional

from espnet2.utils.types import str_or_none

from espnet_plugin.distill.options import ReferenceOptions
from espnet_plugin.tasks.augmentation import augments
from espnet_plugin.tasks.cache_top import TEACHER_CACHE_TOP
from espnet_plugin.tasks.selection import read_selection

__all__ = ["CacheOptions", "DataTables", "add_cache_options"]

Table = tuple[str, str, str]


@dataclass(frozen=True)
class DataTables:
    """ESPnet's data options.

    Attributes:
        train: Path, name and type of each table of the training data.
        valid: Path, name and type of each table of the development data.
        train_shapes: Shape files of the training data.
        valid_shapes: Shape files of the development data.
    """

    train: tuple[Table, ...]
    valid: tuple[Table, ...]
    train_shapes: tuple[str, ...]
    valid_shapes: tuple[str, ...]

    @classmethod
    def from_args(cls, args: argparse.Namespace) -> "DataTables":
        """Read the parsed options of a training."""
        return cls(
            tuple(args.train_data_path_and_name_and_type),
            tuple(args.valid_data_path_and_name_and_type),
            tuple(args.train_shape_file),
            tuple(args.valid_shape_file),
        )


@dataclass(frozen=True)
class CacheOptions:
    """Where the reference's outputs are stored, and from what they are computed.

    Attributes:
        folder: Folder that is filled once and then read.
        top: Number of most probable tokens stored for each frame; 0: all.
        reference: The model whose outputs are stored.
        data: The data on which they are computed.
        output_dir: The experiment's folder, to whose cost they are added.
        changing: Options in use that change the audio from epoch to epoch, which a
            cache cannot represent.
    """

    folder: Path
    top: int
    reference: ReferenceOptions
    data: DataTables
    output_dir: Path
    changing: tuple[str, ...]

    @classmethod
    def from_args(
        cls,
        args: argparse.Namespace,
        reference: Callable[[argparse.Namespace], ReferenceOptions],
    ) -> Optional["CacheOptions"]:
        """Read the parsed options of a training; None without a cache.

        Args:
            args: The options, including those of :func:`add_cache_options`.
            reference: Function that reads the reference from them.
        """
        if args.teacher_cache is None:
            return None
        return cls(
            Path(args.teacher_cache),
            args.teacher_cache_top,
            reference(args),
            DataTables.from_args(args),
            Path(args.output_dir),
            _changing_audio(args),
        )


def add_cache_options(group: Any) -> None:
    """Declare the options of the teacher cache.

    Args:
        group: A group of options of ``argparse``.
    """
    group.add_argument(
        "--teacher_cache",
        type=str_or_none,
        default=None,
        help="Folder that stores the reference's outputs: they are computed once, "
        "then read",
    )
    group.add_argument("--teacher_cache_top", **TEACHER_CACHE_TOP)


def _changing_audio(args: argparse.Namespace) -> tuple[str, ...]:
    options = ("rir_scp", "noise_scp")
    changing = [o for o in options if getattr(args, o, None) is not None]
    if augments(getattr(args, "preprocessor_conf", None)):
        changing.append("preprocessor_conf data_aug_effects")
    selection = read_selection(args)
    if selection is not None and selection.keep_time < 1:
        changing.append("data_selection_conf keep_time")
    return tuple(changing)
