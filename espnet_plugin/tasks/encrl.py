"""EncRL pre-training as an ESPnet task."""

import argparse
from functools import partial
from typing import Tuple

from espnet_plugin import host
from espnet_plugin.tasks.asr import CountedASRTask
from espnet_plugin.tasks.cache_options import CacheOptions
from espnet_plugin.tasks.encrl_options import (
    EncRLOptions,
    add_encrl_options,
    read_reference,
)
from espnet_plugin.tasks.encrl_setup import EncRLSetup
from espnet_plugin.tasks.teacher_cache import store_teacher, training_batches

__all__ = ["EncRLTask"]

# At import, because a spawned rank imports this module to find the task.
host.register()


class EncRLTask(CountedASRTask):
    """Trains a student encoder to match a frozen reference model.

    The student's architecture, tokens, front end and statistics are the reference's
    own, less what the options say; they need not (and cannot) be given.
    """

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser):
        """Add the options of EncRL to those of ESPnet's ASR task."""
        super().add_task_arguments(parser)
        add_encrl_options(parser)

    @classmethod
    def required_data_names(
        cls, train: bool = True, inference: bool = False
    ) -> Tuple[str, ...]:
        """Return what every utterance must have: transcripts are not needed."""
        return ("speech",)

    @classmethod
    def optional_data_names(
        cls, train: bool = True, inference: bool = False
    ) -> Tuple[str, ...]:
        """Return what an utterance may have."""
        return ("text", *super().optional_data_names(train, inference))

    @classmethod
    def build_model(cls, args: argparse.Namespace):
        """Build the student, start it as asked and attach the frozen reference.

        Raises:
            UserError: If an option is out of range or the reference is unusable.
        """
        setup = EncRLSetup(EncRLOptions.from_args(args))
        # The one place where they change: ESPnet builds the model of them, and writes
        # them down as config.yaml.
        vars(args).update(setup.settings)
        # ESPnet's own initialisation would go over what is copied below, not over the
        # teacher, which is no part of the model.
        model = super().build_model(args)
        setup.start(model)
        model.attach_teacher(setup.teacher)
        return model

    @classmethod
    def build_optimizers(cls, args: argparse.Namespace, model):
        """Build the optimisers, once the teacher's outputs are stored if asked to.

        ESPnet calls it before the first epoch, with the whole model where it will be
        trained.

        Raises:
            UserError: If the outputs cannot be stored, or an objective needs more than
                what is.
        """
        cache = CacheOptions.from_args(args, read_reference)
        if cache is not None:
            model.objectives.refuse_single_frames(
                "EncRL's --teacher_cache only stores their mean over each utterance: "
                "remove the cache, or these objectives"
            )
            store_teacher(model, cache, partial(training_batches, cls, args))
        return super().build_optimizers(args, model)

    @classmethod
    def note_scores(cls, model) -> None:
        """Note how far each utterance is from the reference, where data is chosen."""
        model.score_book = cls.score_book
