"""Decode with several processes, each of which decodes a part of every set."""

import logging
import multiprocessing
import shutil
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, Sequence, Union

from espnet_plugin.decode.best_path import FILES
from espnet_plugin.decode.record import forget_decoded, note_decoded
from espnet_plugin.decode.run import decode_model
from espnet_plugin.decode.sets import DecodeSet, waiting_sets
from espnet_plugin.errors import UserError
from espnet_plugin.files import read_pairs, write_lines

__all__ = ["decode_in_parts"]

_PARTS = ".parts"


def decode_in_parts(
    config: Union[str, Path],
    checkpoint: Union[str, Path],
    sets: Sequence[DecodeSet],
    nj: int,
    **options: Any,
) -> list[Path]:
    """Decode ``sets`` like ``decode_model``, with ``nj`` parallel processes.

    Each process loads the model once. Parts that were finished before an interruption
    are not decoded again.

    Args:
        config: Path of the model's ``config.yaml``.
        checkpoint: Path of its checkpoint.
        sets: The sets to decode.
        nj: Number of processes; with 1, this process decodes.
        options: Options of :func:`~espnet_plugin.decode.run.decode_model`.

    Returns:
        The folder of each set.

    Raises:
        UserError: See ``decode_model``; or if a process is killed.
    """
    if nj < 1:
        raise UserError(f"--nj {nj}: must be at least 1 process")
    sets = [DecodeSet(*item) for item in sets]
    if nj == 1:
        return decode_model(config, checkpoint, sets, **options)
    waiting = waiting_sets(
        config,
        checkpoint,
        sets,
        options.get("method", "best_path"),
        options.get("overwrite", False),
        options.get("digests"),
    )
    nj = min(nj, max((len(one.keys) for one in waiting), default=1))
    if not waiting:
        return [Path(item.output_dir) for item in sets]
    for one in waiting:
        _forget_other_parts(one.item, nj)
    parts = [
        [_part(one.item, one.keys, number, nj) for one in waiting]
        for number in range(nj)
    ]
    parts = [[item for item in part if item is not None] for part in parts]
    # Spawned, because a fork would not include the threads of ESPnet and torch.
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(nj, mp_context=context) as pool:
            jobs = [
                pool.submit(_decode, config, checkpoint, part, options)
                for part in parts
            ]
            for job in jobs:
                job.result()
    except BrokenProcessPool as error:
        raise UserError(
            f"a decoding process of {checkpoint} was killed, perhaps because memory "
            f"ran out: run the stage again with --nj below {nj}; finished parts are "
            "kept"
        ) from error
    for item, _, keys, inputs in waiting:
        _join(item, keys)
        note_decoded(item.output_dir, inputs)
        logging.info("%s: decoded into %s", item.name, item.output_dir)
    return [Path(item.output_dir) for item in sets]


def _part(item: DecodeSet, keys: Sequence[str], number: int, nj: int):
    """Return every nj-th utterance of a set as a set; None if it would be empty."""
    chosen = keys[number::nj]
    if not chosen:
        return None
    folder = Path(item.output_dir) / _PARTS / f"{number + 1}of{nj}"
    write_lines(folder / "keys", chosen)
    name = f"{item.name}, part {number + 1} of {nj}"
    return DecodeSet(name, item.data, folder, folder / "keys")


def _forget_other_parts(item: DecodeSet, nj: int) -> None:
    for folder in (Path(item.output_dir) / _PARTS).glob("*of*"):
        if not folder.name.endswith(f"of{nj}"):
            shutil.rmtree(folder)


def _decode(config, checkpoint, part: Sequence[DecodeSet], options: dict) -> None:
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    decode_model(config, checkpoint, part, **options)


def _join(item: DecodeSet, keys: Sequence[str]) -> None:
    """Write the files of the whole set, the text last."""
    target = Path(item.output_dir)
    forget_decoded(target)
    folders = sorted((target / _PARTS).iterdir())
    for file in FILES:
        table: dict[str, str] = {}
        for folder in folders:
            table.update(read_pairs(folder / file))
        write_lines(target / file, (f"{key} {table[key]}" for key in keys))
    shutil.rmtree(target / _PARTS)
