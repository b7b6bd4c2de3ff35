"""The batches of a training, and a warning where they are much larger than asked for.

``batch_bins`` and ``batch_size`` do not limit ESPnet 202611's batches
(findings/espnet_batch_limits.sh): with ``numel`` and ``length`` the utterance that
exceeds the limit is still added, and with ``folded`` the size follows the shortest
utterance of a batch. So a few long utterances beside many short ones are padded into
batches that need several times the expected memory and time.
"""

import argparse
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import torch.distributed as dist
from espnet2.fileio.read_text import load_num_sequence_text
from espnet2.samplers.build_batch_sampler import build_batch_sampler

from espnet_plugin.counted import counted
from espnet_plugin.tensors.ranks import is_distributed

__all__ = ["LargeBatch", "build_batches", "largest_batch", "warn_of_large_batches"]

Batches = list[tuple[str, ...]]
_Shapes = list[dict[str, list[int]]]

# A batch that is a little larger than asked for is normal.
_TOO_LARGE = 2.0
_BY_LENGTH = ("numel", "length", "folded")


@dataclass(frozen=True)
class LargeBatch:
    """A batch compared with what the options ask for.

    Attributes:
        utterances: Their number.
        longest: The name of the utterance to whose length the others are padded.
        shortest_length: Samples or frames of the shortest utterance.
        longest_length: Samples or frames of the longest utterance.
        times: How many times the asked size it has.
    """

    utterances: int
    longest: str
    shortest_length: int
    longest_length: int
    times: float


def build_batches(args: argparse.Namespace, shape_files: Sequence[str]) -> Batches:
    """Return the batches that ESPnet makes of the given utterances, for all ranks.

    Args:
        args: Options of an ESPnet training.
        shape_files: Files with a name and the lengths of an utterance in each line,
            such as those of ``train_shape_file``.
    """
    sampler = build_batch_sampler(
        type=args.batch_type,
        shape_files=list(shape_files),
        fold_lengths=args.fold_length,
        batch_size=args.batch_size,
        batch_bins=args.batch_bins,
        sort_in_batch=args.sort_in_batch,
        sort_batch=args.sort_batch,
        drop_last=args.drop_last_iter,
        # As in ESPnet: every rank needs an utterance of every batch.
        min_batch_size=(
            dist.get_world_size() if is_distributed() else args.min_batch_size
        ),
    )
    return [tuple(batch) for batch in sampler]


def warn_of_large_batches(args: argparse.Namespace) -> None:
    """Log a warning if a batch has at least twice the size that the options ask for.

    Args:
        args: Options of an ESPnet training.
    """
    if args.iterator_type != "sequence" or not args.train_shape_file:
        return
    if args.batch_type not in _BY_LENGTH:
        return
    if args.shuffle_within_batch:
        logging.warning(
            "shuffle_within_batch true: with batch_type %s, ESPnet gives all batches "
            "of an epoch the number of utterances of one of them, whatever their "
            "lengths are: use batch_type sorted, or leave it out",
            args.batch_type,
        )
        return
    found = largest_batch(args)
    if found.times < _TOO_LARGE:
        return
    option = "batch_size" if args.batch_type == "folded" else "batch_bins"
    logging.warning(
        "%s %s: the largest batch has %.1f times this size: %s with lengths from %s to "
        "%s, padded to that of %s, because ESPnet does not keep to this limit where "
        "lengths differ much. If the memory is not sufficient, use a smaller %s, or "
        "leave out the longest utterances",
        option,
        getattr(args, option),
        found.times,
        counted(found.utterances, "utterance"),
        found.shortest_length,
        found.longest_length,
        found.longest,
        option,
    )


def largest_batch(args: argparse.Namespace) -> LargeBatch:
    """Return the batch that is the largest for what the options ask for.

    The asked size is ``batch_bins`` elements with padding for ``numel``, as many steps
    for ``length``, and ``batch_size / (1 + L // fold_length)`` utterances for
    ``folded``, with the longest L of the batch (ESPnet's help says the longest).

    Args:
        args: Options of an ESPnet training with one of these types of batches.
    """
    shapes = [
        load_num_sequence_text(path, loader_type="csv_int")
        for path in args.train_shape_file
    ]
    batches = build_batches(args, args.train_shape_file)
    batch = max(batches, key=lambda names: _times(args, shapes, names))
    lengths = {name: shapes[0][name][0] for name in batch}
    longest = max(lengths, key=lengths.__getitem__)
    return LargeBatch(
        utterances=len(batch),
        longest=longest,
        shortest_length=min(lengths.values()),
        longest_length=lengths[longest],
        times=_times(args, shapes, batch),
    )


def _times(args: argparse.Namespace, shapes: _Shapes, names: Sequence[str]) -> float:
    """Return the size of a batch relative to the asked one."""
    if len(names) == 1:  # no option makes it smaller
        return 1.0
    longest = [max(shape[name][0] for name in names) for shape in shapes]
    if args.batch_type == "folded":
        folds = max(int(x / fold) for x, fold in zip(longest, args.fold_length))
        return len(names) / max(1, args.min_batch_size, args.batch_size // (1 + folds))
    width = [
        prod(shape[names[0]][1:]) if args.batch_type == "numel" else 1
        for shape in shapes
    ]
    elements = sum(x * w for x, w in zip(longest, width))
    # What min_batch_size demands is asked for too.
    asked = max(args.batch_bins, args.min_batch_size * elements)
    return len(names) * elements / asked
