"""A cache of the teacher's outputs, which are then computed only once."""

import hashlib
import logging
import os
import shutil
import time
from pathlib import Path
from typing import Any, Callable, Iterable, Mapping, Optional, Sequence

import torch

from espnet_plugin.distill.objectives import EncoderOutputs
from espnet_plugin.distill.store import OutputStore
from espnet_plugin.distill.store_writer import StoreWriter
from espnet_plugin.distill.teacher import FrozenTeacher
from espnet_plugin.errors import UserError
from espnet_plugin.files import read_pairs
from espnet_plugin.progress import progress
from espnet_plugin.tensors.frames import pool_frames

__all__ = ["CachedTeacher", "data_checksum", "valid_name", "write_cache"]

# Assumed training speed, for the read rate that is logged beforehand.
_TIMES_REAL_TIME = 100
_SPARE = 1.1
# Size of the pieces of a file that enter its checksum, in bytes.
_PIECE = 4096


class CachedTeacher:
    """Reads stored outputs in place of a :class:`FrozenTeacher`.

    Args:
        store: A store with every utterance of the training.
        valid_names: Names in the store of utterances of the development set whose ids
            belong to other audio in the training set; see :func:`valid_name`.

    Attributes:
        counting: See :class:`FrozenTeacher`.
        flops: Always 0; the cost of the outputs is in the store's figures.
    """

    def __init__(
        self, store: OutputStore, valid_names: Optional[Mapping[str, str]] = None
    ):
        self.store = store
        self.valid_names = dict(valid_names or {})
        self.model: Optional[torch.nn.Module] = None
        self.counting = False
        self.flops = 0

    @property
    def dim(self) -> int:
        """Width of the encoding."""
        return self.store.width

    def __call__(
        self,
        speech: torch.Tensor,
        lengths: torch.Tensor,
        utt_id: Optional[Sequence[str]] = None,
        training: bool = True,
    ) -> Optional[EncoderOutputs]:
        """Return the stored outputs of a batch; None for a batch without names.

        Args:
            speech: Any tensor on the device to which the outputs are copied.
            lengths: Not used.
            utt_id: Ids of the utterances.
            training: Whether the utterances belong to the training set.

        Raises:
            UserError: If an utterance is missing in the store or its data is damaged.
        """
        if utt_id is None:
            return None
        if not training:
            utt_id = [self.valid_names.get(name, name) for name in utt_id]
        stored, device = self.store.read(utt_id), speech.device
        return EncoderOutputs(
            None if stored.encodings is None else stored.encodings.to(device),
            stored.log_posteriors.to(device),
            stored.lengths.to(device),
            pooled=stored.pooled.to(device),
        )


def write_cache(
    folder: Path,
    made_of: dict[str, Any],
    teacher: FrozenTeacher,
    batches: Iterable[tuple[Sequence[str], dict[str, torch.Tensor]]],
    total_batches: int,
    total_seconds: float,
    seconds_per_input: float,
    count_flops: Callable[[int, float], int],
    top: int = 0,
    encodings: bool = False,
) -> None:
    """Compute and store the teacher's outputs, for utterances not yet in the store.

    Args:
        folder: Folder of the store.
        made_of: Inputs that determine the outputs, by name.
        teacher: The reference.
        batches: Ids of the utterances, and ``speech`` with ``speech_lengths``.
        total_batches: Number of batches.
        total_seconds: Duration of all audio in seconds.
        seconds_per_input: Duration of one input (a sample or a frame of features) in
            seconds.
        count_flops: Function of the number of utterances and the longest duration in
            seconds that returns the teacher's floating-point operations.
        top: Number of most probable tokens stored for a frame; 0: all.
        encodings: Whether the encoding of every frame is stored.

    Raises:
        UserError: If the folder holds a different or damaged store, or the disk has too
            little free space.
    """
    writer = StoreWriter(
        folder, made_of, len(teacher.model.token_list), teacher.dim, top, encodings
    )
    checked, resumed = False, bool(writer.entries)
    start, cpu_start = time.perf_counter(), time.process_time()
    seconds, flops = 0.0, 0
    for names, batch in progress(batches, total_batches, "batches of the reference"):
        lengths = batch["speech_lengths"] * seconds_per_input
        seconds += float(lengths.sum())
        flops += count_flops(len(names), float(lengths.max()))
        if all(name in writer.entries for name in names):
            continue
        outputs = teacher(batch["speech"], batch["speech_lengths"])
        pooled = pool_frames(outputs.encoding, outputs.lengths)
        if not checked:
            tokens = top or outputs.log_posteriors.shape[-1]
            bytes_each = tokens * (6 if top else 2)
            bytes_each += 2 * teacher.dim if writer.keeps_encodings else 0
            total = float(outputs.lengths.sum()) / float(lengths.sum()) * bytes_each
            _check_room(folder, total, total_seconds)
            checked = True
        for row, name in enumerate(names):
            if name not in writer.entries:
                valid = slice(outputs.lengths[row])
                writer.add(
                    name,
                    outputs.log_posteriors[row, valid],
                    pooled[row],
                    outputs.encoding[row, valid],
                )
    writer.finish(
        train_seconds=time.perf_counter() - start,
        cpu_seconds=time.process_time() - cpu_start,
        audio_seconds=seconds,
        teacher_flops=flops,
        resumed=resumed,  # then the seconds are only those of the last run
    )


def _check_room(folder: Path, bytes_per_second: float, total_seconds: float) -> None:
    need = bytes_per_second * total_seconds
    free = shutil.disk_usage(folder).free
    logging.info(
        "%s will need %.1f MB; a training at %d times real time reads %.2f MB per "
        "second",
        folder,
        need / 1e6,
        _TIMES_REAL_TIME,
        bytes_per_second * _TIMES_REAL_TIME / 1e6,
    )
    if need * _SPARE > free:
        raise UserError(
            f"{folder} would need {need / 1e6:.0f} MB, but only {free / 1e6:.0f} MB "
            "are free: free some space, choose another folder for --teacher_cache, "
            "or store fewer tokens per frame with --teacher_cache_top"
        )


def valid_name(name: str) -> str:
    """Return the name in the store of an utterance of the development set.

    It is only used if the training set has a different utterance with the same id. It
    has a space, which ids in Kaldi tables cannot have.
    """
    return f"{name} valid"


def data_checksum(tables: Sequence[Path]) -> str:
    """Return the checksum of the files in Kaldi tables, as older stores recorded it.

    It includes the size of each file and three pieces of 4 KiB (start, middle, end),
    but not all bytes: reading all audio would take half of the time that the cache
    saves. Modification times are not included, because copies of a corpus may change
    them.

    Args:
        tables: ``wav.scp`` or ``feats.scp`` files.
    """
    digest = hashlib.sha256()
    for table in tables:
        for name, value in read_pairs(table).items():
            digest.update(f"{name} {value}\n".encode())
            if os.path.isfile(value):
                with open(value, "rb") as file:
                    size = file.seek(0, os.SEEK_END)
                    digest.update(f"{size}\n".encode())
                    for start in (0, size // 2, max(0, size - _PIECE)):
                        file.seek(start)
                        digest.update(file.read(_PIECE))
    return digest.hexdigest()
