"""Dynamic data pruning in ESPnet's training: record losses and choose batches."""

import argparse
import logging
from pathlib import Path
from typing import Callable, Optional, Sequence

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from espnet2.samplers.abs_sampler import AbsSampler

from espnet_plugin.data.selection import ScoreBook, Selection
from espnet_plugin.errors import UserError
from espnet_plugin.files import write_lines
from espnet_plugin.options import read_options
from espnet_plugin.tasks.batches import build_batches
from espnet_plugin.tensors.ranks import is_distributed

__all__ = ["SelectedBatches", "note_ctc_scores", "read_selection", "rebuild_batches"]

Batches = list[Sequence[str]]


def read_selection(args: argparse.Namespace) -> Optional[Selection]:
    """Read ``data_selection_conf``; None if it is empty.

    Raises:
        UserError: If an option is unknown, or an epoch is not one pass over the data.
    """
    conf = getattr(args, "data_selection_conf", None)
    if not conf:
        return None
    selection = read_options(Selection, conf, "data_selection_conf")
    if args.iterator_type != "sequence" or args.num_iters_per_epoch is not None:
        raise UserError(
            "data_selection_conf needs iterator_type: sequence and no "
            "num_iters_per_epoch, because an epoch must be one pass over the data"
        )
    return selection


class SelectedBatches(AbsSampler):
    """Batches of the utterances that the selection chooses for each epoch.

    Args:
        whole: This rank's batches of all utterances.
        selection: Rule for choosing utterances.
        book: Losses recorded by the training.
        rebuild: Function that makes batches from ids of utterances.
        folder: Folder for the scores at the start of each epoch, for resuming.
        seed: Seed of the training: ESPnet asks for an epoch as ``seed + epoch``.
        max_epoch: Number of the training's last epoch.
    """

    def __init__(
        self,
        whole: Batches,
        selection: Selection,
        book: ScoreBook,
        rebuild: Callable[[list[str]], Batches],
        folder: Path,
        seed: int,
        max_epoch: int,
    ):
        self.batches = [tuple(batch) for batch in whole]
        self._selection, self._book, self._rebuild = selection, book, rebuild
        self._folder, self._seed, self._max_epoch = folder, seed, max_epoch

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self):
        return iter(self.batches)

    def generate(self, seed: int) -> Batches:
        """Return the batches of the epoch ``seed - <seed of the training>``."""
        epoch = seed - self._seed
        count = self._selection.batches_of(len(self.batches), epoch)
        if count == len(self.batches):
            return list(self.batches)
        scores = self._scores(epoch)
        names = sorted({name for batch in self._everything() for name in batch})
        chosen = self._selection.choose(
            names, scores, epoch, self._max_epoch, self._seed
        )
        batches = self._rebuild(chosen)
        # Exactly the number of batches that the learning rate schedule expects.
        order = np.random.default_rng([self._seed, epoch]).permutation(len(batches))
        picked = [batches[order[i % len(batches)]] for i in range(count)]
        logging.info(
            "epoch %d trains on %d of %d utterances (%s), %d of %d batches",
            epoch,
            len(chosen),
            len(names),
            self._selection.criterion,
            count,
            len(self.batches),
        )
        return picked

    def _everything(self) -> Batches:
        if not is_distributed():
            return self.batches
        parts: list = [None] * dist.get_world_size()
        dist.all_gather_object(parts, self.batches)
        return [batch for part in parts for batch in part]

    def _scores(self, epoch: int) -> dict[str, float]:
        path = self._folder / f"scores_{epoch}.json"
        mine = dist.get_rank() if is_distributed() else 0
        if path.is_file():  # a repeated epoch uses the same scores as before
            self._book.load(path)
        else:
            if is_distributed():
                parts: list = [None] * dist.get_world_size()
                dist.all_gather_object(parts, self._book.scores())
                for part in parts:
                    self._book.update(part.keys(), part.values())
            if mine == 0:
                self._book.save(path)
        if is_distributed():
            dist.barrier()
        return self._book.scores()


def rebuild_batches(args: argparse.Namespace, folder: Path) -> Callable:
    """Return a function that makes batches as ESPnet does, from chosen utterances.

    Args:
        args: ESPnet's options of the training.
        folder: Folder for the shape files of the chosen utterances.
    """
    rank = dist.get_rank() if is_distributed() else 0
    world = dist.get_world_size() if is_distributed() else 1

    def rebuild(names: list[str]) -> Batches:
        kept = set(names)
        shapes = []
        for index, path in enumerate(args.train_shape_file):
            lines = Path(path).read_text(encoding="utf-8").splitlines()
            chosen = folder / f"shapes_{index}.{rank}"
            write_lines(chosen, (x for x in lines if x.split(maxsplit=1)[0] in kept))
            shapes.append(str(chosen))
        batches = build_batches(args, shapes)
        return [tuple(batch[rank::world]) for batch in batches]

    return rebuild


def note_ctc_scores(model: torch.nn.Module, book: ScoreBook) -> None:
    """Record each utterance's CTC loss per token while a stock model trains.

    Hooks are used so that the model remains ESPnet's. ESPnet's CTC module only returns
    the mean of the batch, so the loss is computed again from its input, without
    gradient.

    Args:
        model: An ``ESPnetASRModel``.
        book: Object that records the losses.
    """
    names: list[str] = []

    def before(module, args, kwargs):
        names[:] = kwargs.get("utt_id") or []

    def after(ctc, args, output):
        hidden, hidden_lengths, text, text_lengths = args[:4]
        if not ctc.training or len(names) != len(hidden):
            return
        with torch.no_grad():
            losses = F.ctc_loss(
                ctc.log_softmax(hidden).transpose(0, 1),
                text.clamp(min=0),
                hidden_lengths,
                text_lengths,
                reduction="none",
            )
            book.update(names, (losses / text_lengths.clamp(min=1)).tolist())
        names.clear()  # intermediate losses would overwrite the last layer's

    model.register_forward_pre_hook(before, with_kwargs=True)
    model.ctc.register_forward_hook(after)
