"""ESPnet's trainer, with the cost recorded and complete checkpoints kept."""

import logging
import math
import os
from functools import partial
from pathlib import Path
from typing import Optional

import torch
from espnet2.torch_utils.device_funcs import to_device
from espnet2.train.reporter import SubReporter
from espnet2.train.trainer import Trainer

from espnet_plugin.checkpoints.finite import first_not_finite
from espnet_plugin.checkpoints.plain import save_state
from espnet_plugin.cost.counting import count_step
from espnet_plugin.cost.log import CostLog, FlopModel, Stopwatch
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.tasks.criteria import check_criteria
from espnet_plugin.tasks.curves import leave_out_curves
from espnet_plugin.tasks.epoch_lines import epoch_line, mean_of, with_progress
from espnet_plugin.tasks.plateau import PlateauWatch
from espnet_plugin.tensors.ranks import sum_over_ranks
from espnet_plugin.terminal import LOG_ONLY

__all__ = ["CostTrainer", "keep_whole_checkpoint"]

_FLOPS = "_flop_model"
# Largest accepted share of an epoch's updates that ESPnet skips because their gradient
# is not finite. With use_amp such updates are normal until the scale has been found.
_MOST_SKIPPED = 0.1


def _plain(model: torch.nn.Module) -> torch.nn.Module:
    """Return the model inside a (Distributed)DataParallel wrapper."""
    return getattr(model, "module", model)


def _device(model: torch.nn.Module) -> torch.device:
    return next(model.parameters()).device


class CostTrainer(Trainer):
    """``espnet2.train.trainer.Trainer`` that also writes ``cost.json``.

    This class only observes the batches, with one exception: with ``accum_grad``, the
    batches that are left at the end of an epoch, too few for an update, are not used.
    ESPnet adds their gradients to the first update of the next epoch, and loses them if
    the training is interrupted there (``findings/espnet_accum_grad.sh``). The
    attribute ``seconds_per_input`` of the model, set by our tasks, converts input
    lengths to seconds of audio.
    """

    @classmethod
    def build_options(cls, args):
        """Read the options; curves are left out where what draws them is missing."""
        for package in leave_out_curves(args):
            logging.warning(
                "%s is not installed, so no training curves are drawn: pip install %s",
                *(package, package),
            )
        if args.use_amp and args.ngpu < 1:
            # ESPnet leaves it to the scaler to skip an update whose gradient is not
            # finite, and without a GPU the scaler does nothing: all weights become NaN.
            logging.warning("use_amp is ignored: it needs a GPU (--ngpu 1)")
            args.use_amp = False
        return super().build_options(args)

    @classmethod
    def train_one_epoch(cls, model, iterator, reporter, options, **others):
        """Train one epoch and record its cost; see the base class.

        Raises:
            UserError: If more than a tenth of its updates had no finite gradient, or a
                weight is not finite.
        """
        plain = _plain(model)
        # ESPnet overwrites its checkpoint. It is moved, so that a kill cannot damage
        # it.
        experiment = Experiment(options.output_dir)
        checkpoint = experiment.resume_file
        if checkpoint.is_file() and others["distributed_option"].dist_rank in (None, 0):
            os.replace(checkpoint, experiment.previous_resume_file)
        seconds, padding, flops, teacher_flops = 0.0, 0.0, 0, 0
        for optimizer in others["optimizers"]:
            optimizer.zero_grad()

        def watched():
            nonlocal seconds, padding, flops, teacher_flops
            batches = with_progress(iterator, _length(iterator), reporter.epoch)
            for utts, batch in batches:
                if not hasattr(plain, _FLOPS):
                    count = partial(count_step, plain, to_device(batch, _device(plain)))
                    # Not by setattr, which would register it as a part of the model.
                    object.__setattr__(plain, _FLOPS, FlopModel(count))
                yield utts, batch
                # After the yield: the last batch is not trained on if another rank has
                # no batch left.
                lengths = batch["speech_lengths"] * plain.seconds_per_input
                seconds += float(lengths.sum())
                padding += float((lengths.max() - lengths).sum())
                step = getattr(plain, _FLOPS)(len(lengths), float(lengths.max()))
                flops, teacher_flops = flops + step[0], teacher_flops + step[1]

        watch = Stopwatch()
        invalid = super().train_one_epoch(
            model=model,
            iterator=_Sized(watched(), iterator),
            reporter=reporter,
            options=options,
            **others,
        )
        _look_at_skipped(reporter, options, invalid)
        if watch_for := _plateau_watch(plain):
            watch_for.add([step.value for step in reporter.stats.get("loss", ())])
        _look_at_weights(plain, reporter, options)
        wall, cpu = watch.read()
        figures = {
            "cpu_seconds": cpu,
            "audio_seconds": seconds,
            "padding_seconds": padding,
            "flops": flops,
            "teacher_flops": teacher_flops,
        }
        # Summed over ranks; wall-clock time is the same for all.
        whole = sum_over_ranks(
            torch.tensor(
                list(figures.values()), dtype=torch.float64, device=_device(plain)
            )
        )
        figures = {
            name: value if isinstance(figures[name], float) else round(value)
            for name, value in zip(figures, whole.tolist())
        }
        cls._note(options, others, reporter.epoch, train_seconds=wall, **figures)
        padding = figures["padding_seconds"]
        logging.info(
            "epoch %d: %.1f %% of the time in its batches is padding",
            reporter.epoch,
            100 * padding / max(1e-9, figures["audio_seconds"] + padding),
            extra=LOG_ONLY,
        )
        return invalid

    @classmethod
    def validate_one_epoch(cls, model, iterator, reporter, options, **others):
        """Validate one epoch and record its duration; see the base class.

        Raises:
            UserError: If the training does not learn (see :class:`PlateauWatch`), or
                epochs are to be chosen by a value that does not exist.
        """
        watch = Stopwatch()
        super().validate_one_epoch(
            model=model, iterator=iterator, reporter=reporter, options=options, **others
        )
        seconds = watch.read()[0]
        check_criteria(reporter.stats, options, reporter.epoch)
        log = cls._note(options, others, reporter.epoch, valid_seconds=seconds)
        if log is not None:
            epochs, durations = options.max_epoch, log.epoch_seconds()
            line = epoch_line(reporter.epoch, epochs, reporter.stats, durations)
            logging.info("%s", line)
        if watch_for := _plateau_watch(_plain(model)):
            watch_for.judge(reporter.epoch, mean_of(reporter.stats, "cer_ctc"))

    @classmethod
    def _note(cls, options, others, epoch: int, **figures) -> Optional[CostLog]:
        """Add figures to the cost of an epoch; None on other ranks than the first."""
        if others["distributed_option"].dist_rank not in (None, 0):
            return None
        log = CostLog(Experiment(options.output_dir).cost_file)
        log.add(epoch, **figures)
        return log


def _plateau_watch(model: torch.nn.Module) -> Optional[PlateauWatch]:
    """Return the plateau watch that the task has attached to the model, if any."""
    return getattr(model, "plateau_watch", None)


def _length(iterator) -> Optional[int]:
    """Return the number of batches; None if the iterator does not know it."""
    try:
        return len(iterator)
    except TypeError:
        return None


def _look_at_skipped(reporter: SubReporter, options, all_were: bool) -> None:
    """Warn about skipped updates (gradients that are not finite).

    Raises:
        UserError: If too many updates were skipped.
    """
    updates, done = (
        sum(math.isfinite(step.value) for step in reporter.stats.get(name, ()))
        for name in ("train_time", "grad_norm")
    )
    skipped = f"{updates - done} of {updates} updates of epoch {reporter.epoch}"
    if all_were or (updates - done > _MOST_SKIPPED * updates and not options.use_amp):
        raise UserError(
            f"{skipped} had no finite gradient: lower the learning rate, or look at "
            f"the data; {options.output_dir} keeps the checkpoint of the epoch before"
        )
    if done < updates:
        logging.warning("%s had no finite gradient and were skipped", skipped)


def _look_at_weights(model: torch.nn.Module, reporter: SubReporter, options) -> None:
    """Check that all weights are finite before the model is written.

    Raises:
        UserError: If a tensor has a value that is not finite.
    """
    broken = first_not_finite(model.state_dict())
    if broken is not None:
        raise UserError(
            f"after epoch {reporter.epoch} {broken} holds NaN or infinite values, so "
            "the epoch is not kept: lower the learning rate, or look at the data; "
            f"{options.output_dir} keeps the checkpoint of the epoch before"
        )


class _Sized:
    """An iterator with the length of the loader behind it."""

    def __init__(self, items, loader):
        self._items, self._loader = items, loader

    def __iter__(self):
        return iter(self._items)

    def __len__(self):
        return len(self._loader)


def keep_whole_checkpoint(output_dir: Path) -> None:
    """Restore the last complete checkpoint before a training resumes.

    ESPnet overwrites ``checkpoint.pth``, so a kill or a full disk at that time leaves a
    truncated file. :class:`CostTrainer` moves it away while an epoch runs. The epoch's
    model is written after it, so it may be truncated too; it is then written again,
    because it may be needed for the average.

    Raises:
        UserError: If there are checkpoints but none can be read.
    """
    experiment = Experiment(output_dir)
    current, previous = experiment.resume_file, experiment.previous_resume_file
    problems = []
    for path in (current, previous):
        if not path.is_file():
            continue
        try:
            states = _read(path)
        except Exception as error:  # torch raises many kinds for a broken file
            problems.append(f"{path}: {error}")
            continue
        broken = first_not_finite(states["model"])
        if broken is not None:
            problems.append(f"{path}: {broken} holds NaN or infinite values")
            continue
        if path != current:
            logging.info("resuming from %s", path)
            os.replace(path, current)
        _mend_epoch(experiment.epoch_file(states["reporter"]["epoch"]), states)
        return
    if problems and not any(map(_is_whole, experiment.epoch_files())):
        # Only the first checkpoint was being written, so nothing is lost.
        logging.warning(
            "%s: the first checkpoint is incomplete, so the training starts again",
            output_dir,
        )
        for path in (current, previous, *experiment.epoch_files()):
            path.unlink(missing_ok=True)
        return
    if problems:
        raise UserError(
            f"{output_dir}: no checkpoint can be used; delete these files to train "
            "from the start:\n" + "\n".join(problems)
        )


def _read(path: Path) -> dict:
    return torch.load(path, map_location="cpu", weights_only=True, mmap=True)


def _is_whole(path: Path) -> bool:
    try:
        return first_not_finite(_read(path)) is None
    except Exception:  # torch raises many kinds for a broken file
        return False


def _mend_epoch(path: Path, states: dict) -> None:
    try:
        _read(path)
    except Exception as error:  # torch raises many kinds for a broken file
        logging.info("writing %s again from the checkpoint: %s", path, error)
        save_state(states["model"], path)
