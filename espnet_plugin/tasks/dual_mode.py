"""Supervised dual-mode training as an ESPnet task."""

import argparse
import logging
from functools import partial
from pathlib import Path
from typing import Optional

import torch
from espnet2.utils.types import str_or_none

from espnet_plugin import host
from espnet_plugin.checkpoints.checkpoint import read_checkpoint
from espnet_plugin.checkpoints.load import load_state
from espnet_plugin.distill.named import NamedReference
from espnet_plugin.distill.options import ReferenceOptions
from espnet_plugin.distill.starts import LAYERS
from espnet_plugin.dual_mode.from_reference import copied_from_reference
from espnet_plugin.dual_mode.plan import TrainingPlan
from espnet_plugin.dual_mode.pretrained import MASKS, load_pretrained_encoder
from espnet_plugin.dual_mode.reference_layers import check_start
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.config import read_config
from espnet_plugin.names import DUAL_MODE, DUAL_MODE_MODEL
from espnet_plugin.tasks.asr import CountedASRTask
from espnet_plugin.tasks.cache_options import CacheOptions, add_cache_options
from espnet_plugin.tasks.schedule import batches_per_epoch
from espnet_plugin.tasks.selection import read_selection
from espnet_plugin.tasks.teacher_cache import store_teacher, training_batches

__all__ = ["DualModeASRTask", "start", "start_from_reference"]

# Prefixes of tensors that are not copied from the model that a training starts from.
_OWN = ("encoder.", "normalize.", "dual_mode_")

# At import, because a spawned rank finds the task by importing this module.
host.register()


class DualModeASRTask(CountedASRTask):
    """Trains the dense full-context and the sparse streaming recogniser together."""

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser):
        """Add the options for the start, the reference and its cache."""
        super().add_task_arguments(parser)
        group = parser.add_argument_group(description="Dual-mode related")
        group.add_argument(
            "--start_from",
            type=str_or_none,
            help="Checkpoint of a pre-trained or trained supernet, whose encoder is "
            "the start of this training",
        )
        group.add_argument(
            "--start_masks",
            choices=MASKS,
            default="restart",
            help="restart: the schedule of the masks starts again; keep: the masks "
            "of the checkpoint stay as they are",
        )
        group.add_argument(
            "--start_whole",
            action="store_true",
            help="Also use the recogniser's output layers of --start_from",
        )
        group.add_argument(
            "--reference_layers",
            type=str_or_none,
            choices=(None, *LAYERS),
            help="Layers of the reference that are the start of this training",
        )
        group.add_argument(
            "--reference_config",
            type=str_or_none,
            help="config.yaml of the frozen reference that model_conf.teaching or "
            "--reference_layers needs",
        )
        group.add_argument(
            "--reference_model_file",
            type=str_or_none,
            help="checkpoint of that reference",
        )
        add_cache_options(group)

    @classmethod
    def build_model(cls, args: argparse.Namespace):
        """Build the supernet, and load its encoder with ``--start_from``, or from the
        reference with ``--reference_layers``.

        Raises:
            UserError: If an option is wrong, the checkpoint does not fit, or the
                training would end while the masks still change.
        """
        if args.encoder != DUAL_MODE:
            raise UserError(
                f"encoder {args.encoder}: dual-mode training needs encoder: "
                f"{DUAL_MODE}"
            )
        args.model = DUAL_MODE_MODEL
        reference = _reference(args)
        model = super().build_model(args)
        if reference is not None:
            reference.prepare(model)
            if (args.model_conf or {}).get("teaching") is not None:
                model.attach_teacher(reference.load())
        criteria = {tuple(criterion[:2]) for criterion in args.best_model_criterion}
        if ("valid", "cer_final") in criteria and model.error_calculator is None:
            raise UserError(
                "model_conf.report_cer and report_wer are false, so validation has "
                "no error rate (cer_final) by which epochs can be chosen; remove "
                "report_cer"
            )
        model.set_plan(_training_plan(args))
        if args.start_from is not None:
            start(model, args.start_from, args.start_masks, args.start_whole)
        elif args.reference_layers is not None:
            start_from_reference(model, args)
        return model

    @classmethod
    def build_optimizers(cls, args: argparse.Namespace, model):
        """Build the optimisers, after the teacher cache has been filled, if any.

        ESPnet calls this before the first epoch, when the model is on its device.

        Raises:
            UserError: If the outputs cannot be stored, or those in the cache are not
                enough for the objectives.
        """
        cache = CacheOptions.from_args(args, _reference_options)
        if cache is not None:
            batches = partial(training_batches, cls, args)
            store_teacher(model, cache, batches, model.taught.single_frames)
        return super().build_optimizers(args, model)


def _reference_options(args: argparse.Namespace) -> ReferenceOptions:
    return ReferenceOptions(
        Path(args.reference_config), Path(args.reference_model_file)
    )


def _reference(args: argparse.Namespace) -> Optional[NamedReference]:
    """Return the reference, if any, and write its width to ``args.model_conf``.

    Raises:
        UserError: If a reference is needed and not given or not there, or given and
            not needed.
    """
    teaching = (args.model_conf or {}).get("teaching")
    if teaching is None and args.teacher_cache is not None:
        raise UserError(
            f"--teacher_cache {args.teacher_cache}: without model_conf.teaching there "
            "are no outputs of a reference to store; remove the option"
        )
    if teaching is None and args.reference_layers is None:
        if args.reference_config is not None:
            raise UserError(
                f"--reference_config {args.reference_config}: the training does not "
                "use the reference; set model_conf.teaching, or remove the option"
            )
        return None
    if args.reference_config is None:
        needs = "reference_layers" if teaching is None else "model_conf.teaching"
        raise UserError(f"{needs} needs a reference: give --reference DIR")
    reference = NamedReference(args.reference_config, args.reference_model_file)
    if not reference.is_there():
        raise UserError(
            f"the reference {reference.config}, {reference.model_file} is missing: "
            "train or import it first"
        )
    if teaching is not None:
        width = {"teacher_dim": reference.width()}
        args.model_conf = {**args.model_conf, "teaching": {**teaching, **width}}
    return reference


def _training_plan(args: argparse.Namespace) -> TrainingPlan:
    selection, whole = read_selection(args), batches_per_epoch(args)
    epochs = range(1, args.max_epoch + 1)
    if selection is None:
        batches = [whole for _ in epochs]
    else:
        batches = [selection.batches_of(whole, epoch) for epoch in epochs]
    return TrainingPlan(tuple(batches), args.accum_grad)


def start(
    model: torch.nn.Module, path: str, masks: str = "restart", whole: bool = False
) -> None:
    """Load the encoder, or the whole model, from a checkpoint.

    Args:
        model: The supernet.
        path: Checkpoint of a pre-training or of another dual-mode training. Its encoder
            must have the same tensors, except for masks.
        masks: See :func:`load_pretrained_encoder`.
        whole: Whether output layers are loaded too; the tokens must be the same.

    Raises:
        UserError: If tensors are missing, unexpected or of a different shape.
    """
    load_pretrained_encoder(model.encoder, path, masks)
    if not whole:
        return
    state = read_checkpoint(path)
    # The encoder is loaded already, statistics belong to the corpus, counters restart.
    own = {
        name: value
        for name, value in model.state_dict().items()
        if name.startswith(_OWN)
    }
    others = {k: v for k, v in state.items() if not k.startswith(_OWN)}
    load_state(model, {**others, **own}, path)


def start_from_reference(model: torch.nn.Module, args: argparse.Namespace) -> None:
    """Copy layers of the reference into the supernet.

    Args:
        model: The supernet, which is changed in place.
        args: Options of the task: ``reference_layers``, ``reference_config``,
            ``reference_model_file`` and ``encoder_conf``.

    Raises:
        UserError: If the layers do not fit.
    """
    config = Path(args.reference_config)
    layers = check_start(config, vars(args), args.reference_layers)
    there = read_config(config).get("normalize", "utterance_mvn")
    if there != args.normalize:
        logging.warning(
            "%s: normalize is %s in the reference and %s in this training, so at the "
            "start the copied layers get features on another scale than in their own "
            "training",
            *(config, there, args.normalize),
        )
    own = model.state_dict()
    state = read_checkpoint(args.reference_model_file)
    copied = copied_from_reference(state, own, layers)
    load_state(model, {**own, **copied}, args.reference_model_file)
    logging.info(
        "starts from the layers %s of the reference %s, counted from 0 (%d tensors)",
        *(" ".join(map(str, layers)), args.reference_model_file, len(copied)),
    )
