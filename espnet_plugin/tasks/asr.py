"""ESPnet's ASR task with the cost recorded, and a few options of our own."""

import argparse
from pathlib import Path
from typing import Optional

from espnet2.tasks.asr import ASRTask
from espnet2.utils.nested_dict_action import NestedDictAction

from espnet_plugin import host
from espnet_plugin.data.chunks import ChunkDropper
from espnet_plugin.data.front_end import takes_features
from espnet_plugin.data.selection import ScoreBook
from espnet_plugin.errors import UserError
from espnet_plugin.exact_parser import make_exact
from espnet_plugin.names import ESPNET
from espnet_plugin.tasks.averaging import limit_averaged
from espnet_plugin.tasks.batches import warn_of_large_batches
from espnet_plugin.tasks.ctc_start import (
    has_transcripts,
    start_at_prior,
    token_log_prior,
    training_tokens,
)
from espnet_plugin.tasks.mixed_audio import check_mixed_audio
from espnet_plugin.tasks.named_weights import check_named_weights
from espnet_plugin.tasks.plateau import CHOICES, PlateauWatch
from espnet_plugin.tasks.pretrained import as_their_weights_come
from espnet_plugin.tasks.ranks import (
    end_together,
    end_with_message,
    is_first,
    named_failures,
)
from espnet_plugin.tasks.schedule import complete_schedule
from espnet_plugin.tasks.selection import (
    SelectedBatches,
    note_ctc_scores,
    read_selection,
    rebuild_batches,
)
from espnet_plugin.tasks.trainer import CostTrainer, keep_whole_checkpoint
from espnet_plugin.tasks.valid_error import count_valid_frames_only
from espnet_plugin.tensors.layout import lay_out_frozen

__all__ = ["CountedASRTask", "seconds_per_input"]

# At import, because a spawned rank finds the task by importing this module.
host.register()


def seconds_per_input(args: argparse.Namespace) -> float:
    """Return the duration of one input (a sample or a 10 ms frame) in seconds."""
    if takes_features(vars(args)):
        return 0.01
    rate = (args.frontend_conf or {}).get("fs", 16000)
    if isinstance(rate, str):
        rate = float(rate.rstrip("kK")) * (1000 if rate[-1] in "kK" else 1)
    return 1.0 / rate


class CountedASRTask(ASRTask):
    """Trains stock models; also writes ``cost.json`` into the output folder."""

    trainer = CostTrainer

    @classmethod
    def get_parser(cls) -> argparse.ArgumentParser:
        """Return a parser without abbreviations; see ``AbsTask.get_parser``."""
        return make_exact(super().get_parser())

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser):
        """Add the options of this plugin to ESPnet's."""
        super().add_task_arguments(parser)
        parser.add_argument(
            "--data_selection_conf",
            action=NestedDictAction,
            default=dict(),
            help="Train only on some utterances, chosen in each epoch by their loss: "
            "keep=0.7, criterion=easy2hard (easy, hard, random), warmup=1; or "
            "without some pieces of time: keep_time=0.7, chunk_ms=100",
        )
        parser.add_argument(
            "--ctc_start",
            default="prior",
            choices=["prior", "random"],
            help="Initial bias of a CTC layer with random weights. prior: the "
            "logarithm of each token's frequency in the training data, without which "
            "some seeds never learn; random: as in ESPnet",
        )
        parser.add_argument(
            "--on_plateau",
            default="stop",
            choices=CHOICES,
            help="What to do if a training does not learn (two epochs in a row, "
            "after 500 updates, with at least 90 %% of the characters of dev wrong "
            "and a training loss that does not fall): stop, warn, or off",
        )

    @classmethod
    def build_model(cls, args: argparse.Namespace):
        """Build the stock model; see ``ASRTask.build_model``."""
        read_selection(args)  # refuses bad options before anything takes time
        with as_their_weights_come(args):
            model = super().build_model(args)
        model.seconds_per_input = seconds_per_input(args)
        count_valid_frames_only(model)
        cls.start_ctc_layer(args, model)
        if args.model == ESPNET and not args.collect_stats:
            model.plateau_watch = PlateauWatch(args.on_plateau)
        # A class attribute: ESPnet builds the batches without access to the model.
        cls.score_book = ScoreBook()
        if args.data_selection_conf:
            cls.note_scores(model)
        return model

    @classmethod
    def start_ctc_layer(cls, args: argparse.Namespace, model) -> None:
        """Initialise a stock model's random CTC layer as ``--ctc_start`` says.

        Weights that are loaded later (a training that is resumed) replace it. With
        ``--init_param`` it is not changed.
        """
        is_stock = args.model == ESPNET and model.ctc is not None
        if args.ctc_start != "prior" or not is_stock or args.init_param:
            return
        if args.collect_stats or not has_transcripts(args):
            return
        preprocess = cls.build_preprocess_fn(args, train=False)
        if preprocess is None:
            return
        tokens, frames = training_tokens(
            args, lambda text: preprocess("", {"text": text})["text"].tolist()
        )
        prior = token_log_prior(tokens, frames, model.vocab_size, model.blank_id)
        start_at_prior(model.ctc.ctc_lo, prior)

    @classmethod
    def note_scores(cls, model) -> None:
        """Record the losses by which utterances are chosen."""
        note_ctc_scores(model, cls.score_book)

    @classmethod
    def build_preprocess_fn(cls, args: argparse.Namespace, train: bool):
        """Build ESPnet's preprocessor, with ``keep_time`` if that is set."""
        preprocess = super().build_preprocess_fn(args, train)
        selection = read_selection(args)
        if not train or selection is None or selection.keep_time == 1.0:
            return preprocess
        chunk = round(selection.chunk_ms / 1000 / seconds_per_input(args))
        return ChunkDropper(preprocess, selection.keep_time, chunk)

    @classmethod
    def build_sequence_iter_factory(cls, args, iter_options, mode):
        """Build ESPnet's iterator; in training, for the chosen utterances.

        Raises:
            UserError: If a batch has fewer utterances than there are processes.
        """
        try:
            factory = super().build_sequence_iter_factory(args, iter_options, mode)
        except RuntimeError as error:
            if "world_size" not in str(error):
                raise
            raise UserError(
                f"{mode} data: {error}. Every process needs at least one utterance of "
                "each batch: use larger batches, more data, or fewer processes"
            ) from error
        selection = read_selection(args)
        if mode == "train" and selection is not None:
            folder = Path(args.output_dir) / "selection"
            factory.sampler = SelectedBatches(
                factory.sampler.batches,
                selection,
                cls.score_book,
                rebuild_batches(args, folder),
                folder,
                args.seed,
                args.max_epoch,
            )
        return factory

    @classmethod
    def build_optimizers(cls, args: argparse.Namespace, model):
        """Build the optimisers after checks and completing the schedule.

        ESPnet loads ``init_param`` after this.

        Raises:
            UserError: If ``freeze_param`` or ``init_param`` name no weights, or files
                of ``noise_scp`` or ``rir_scp`` have another sampling rate.
        """
        check_named_weights(args, model)
        check_mixed_audio(args)
        warn_of_large_batches(args)
        args.scheduler_conf = complete_schedule(args)
        lay_out_frozen(model)
        return super().build_optimizers(args, model)

    @classmethod
    def main(cls, args: Optional[argparse.Namespace] = None, cmd=None):
        """Train, resuming from the last complete checkpoint; see ``ASRTask.main``."""
        if args is None:
            args = cls.get_parser().parse_args(cmd)
        limit_averaged(args)
        # Before ranks are spawned, because only one may move files. Ranks that are
        # started by a launcher read them only after the rendezvous.
        given = ("dist_rank", "dist_launcher")
        values = ((n, getattr(args, n)) for n in given)
        ranks = [f"--{name}={value}" for name, value in values if value is not None]
        if args.output_dir is not None and is_first(ranks):
            keep_whole_checkpoint(Path(args.output_dir))
        with named_failures(args.output_dir):
            super().main(args=args)
            end_together()

    @classmethod
    def main_worker(cls, args: argparse.Namespace):
        """Train as the only rank or one of several; see ``ASRTask.main_worker``."""
        try:
            super().main_worker(args)
        except UserError as error:
            end_with_message(error)
