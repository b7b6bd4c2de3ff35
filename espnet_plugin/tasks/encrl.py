"""EncRL pre-training as an ESPnet task."""

import argparse
from functools import partial
from typing import Tuple

from espnet_plugin import host
from espnet_plugin.tasks.asr import CountedASRTask
from espnet_plugin.tasks.cache_options import CacheOptions
from espnet_plugin.tasks.encrl_options import (
    EncrlTaskOptions,
    add_encrl_options,
    read_reference,
)
from espnet_plugin.tasks.encrl_setup import EncRLSetup
from espnet_plugin.tasks.schedule import total_updates
from espnet_plugin.tasks.teacher_cache import store_teacher, training_batches

__all__ = ["EncRLTask"]

# At import, because a spawned rank finds the task by importing this module.
host.register()


class EncRLTask(CountedASRTask):
    """Trains a student encoder to match a frozen reference model.

    The student's architecture, tokens, front end and statistics are those of the
    reference, except for what the options change. They cannot be set by ESPnet's
    options.
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
        """Return the required data of an utterance, which do not include ``text``."""
        return ("speech",)

    @classmethod
    def optional_data_names(
        cls, train: bool = True, inference: bool = False
    ) -> Tuple[str, ...]:
        """Return the optional data of an utterance, which include ``text``."""
        return ("text", *super().optional_data_names(train, inference))

    @classmethod
    def build_model(cls, args: argparse.Namespace):
        """Build and initialise the student, and attach the frozen reference.

        Raises:
            UserError: If an option is out of range or the reference is unusable.
        """
        setup = EncRLSetup(EncrlTaskOptions.from_args(args))
        # The only place where the options change. ESPnet builds the model from them and
        # writes them to config.yaml.
        vars(args).update(setup.settings)
        # Before the copying below, which ESPnet's initialisation would overwrite.
        model = super().build_model(args)
        setup.start(model)
        model.attach_teacher(setup.teacher)
        return model

    @classmethod
    def build_optimizers(cls, args: argparse.Namespace, model):
        """Build the optimisers, after the teacher cache has been filled, if any.

        ESPnet calls this before the first epoch, when the model is on its device.

        Raises:
            UserError: If the outputs cannot be stored, an objective needs outputs that
                the cache does not hold, or the weight of the objectives is to fall in
                epochs without a fixed length.
        """
        cache = CacheOptions.from_args(args, read_reference)
        if cache is not None:
            model.objectives.refuse_single_frames(
                "EncRL's --teacher_cache only stores their mean over each utterance: "
                "remove the cache, or these objectives"
            )
            store_teacher(model, cache, partial(training_batches, cls, args))
        if model.fading.end < 1:
            model.fading.steps = total_updates(args) * args.accum_grad
        return super().build_optimizers(args, model)

    @classmethod
    def note_scores(cls, model) -> None:
        """Record each utterance's loss, if utterances are chosen by it."""
        model.score_book = cls.score_book
