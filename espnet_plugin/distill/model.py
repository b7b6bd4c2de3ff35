"""The student in EncRL pre-training, as a model of ESPnet."""

from typing import Any, Mapping, NamedTuple, Optional, Sequence, Union

import torch
from espnet2.asr.espnet_model import ESPnetASRModel
from espnet2.torch_utils.device_funcs import force_gatherable

from espnet_plugin.data.selection import ScoreBook
from espnet_plugin.distill.cache import CachedTeacher
from espnet_plugin.distill.consistency import (
    Consistency,
    split_views,
    symmetric_divergence,
)
from espnet_plugin.distill.exit_weights import read_exit_weights
from espnet_plugin.distill.fading import Fading
from espnet_plugin.distill.named import NamedReference
from espnet_plugin.distill.objectives import (
    EncoderOutputs,
    WeightedObjectives,
    resample_outputs,
)
from espnet_plugin.distill.objectives.posteriors import divergence_by_utterance
from espnet_plugin.distill.self_distillation import (
    SelfDistillation,
    divergence_from_largest,
)
from espnet_plugin.distill.teacher import FrozenTeacher, exit_outputs
from espnet_plugin.errors import UserError
from espnet_plugin.options import read_options

__all__ = ["ESPnetEncRLModel"]


class ESPnetEncRLModel(ESPnetASRModel):
    """A stock ESPnet ASR model whose loss is the distance to a frozen teacher.

    With exits (``encoder_conf.interctc_layer_idx``) the outputs of each exit and of the
    last layer are trained to match the teacher in the same step. One pass of the
    teacher and of the student then trains models of several sizes, which are cut out
    afterwards.

    The parameters have the names of the stock model; those of the objectives (a
    projection) begin with ``objectives.``.

    - [0] An Effective Training Framework for Light-Weight ASR Models, 2025,
      doi 10.21437/Interspeech.2025-1704, section 2.2, step 1.

    Args:
        objectives: See :class:`WeightedObjectives`; the paper's ``clip`` + ``mse`` by
            default.
        teacher_dim: Width of the teacher's encoding; the student's by default.
        ctc_loss_weight: Weight of the CTC loss, which is added to the objectives. Above
            0 every utterance needs a transcript; this is distillation in one stage and
            not EncRL.
        exit_weights: Weights of the losses of exits, by layer, relative to that of the
            last layer; 1 for exits that are not named.
        consistency: Options of :class:`Consistency`. With a weight above 0, each step
            computes two views of every utterance with different SpecAugment masks, so
            it costs twice as much; both views learn from teacher and transcripts, and
            from each other.
        self_distillation: Options of :class:`SelfDistillation`. With a weight above 0,
            each exit also learns from the last layer of the same student.
        fading: Options of :class:`Fading`. With an ``end`` below 1, the weight of all
            objectives falls during the training; that of CTC does not.
        resample_targets: Whether the teacher's outputs are resampled to the student's
            number of frames; otherwise different numbers are an error.
        reference_config: ``config.yaml`` of the reference, only if ESPnet's stock task
            builds this model (see ``espnet_plugin.launch``). The EncRL task attaches
            the teacher itself.
        reference_model_file: Checkpoint of the reference.
        student_init: Layers of the reference that initialise the student; see
            :class:`NamedReference`.
        student_layers: Numbers of these layers, instead of ``student_init``.
        others: Options of ``ESPnetASRModel``, with ``ctc_weight=1``.

    Raises:
        UserError: If an option is wrong or the reference does not match.
    """

    def __init__(
        self,
        *,
        objectives: Optional[Mapping[str, Any]] = None,
        teacher_dim: Optional[int] = None,
        ctc_loss_weight: float = 0.0,
        exit_weights: Optional[Mapping[int, float]] = None,
        consistency: Optional[Mapping[str, Any]] = None,
        self_distillation: Optional[Mapping[str, Any]] = None,
        fading: Optional[Mapping[str, Any]] = None,
        resample_targets: bool = False,
        reference_config: Optional[str] = None,
        reference_model_file: Optional[str] = None,
        student_init: str = "random",
        student_layers: Optional[Sequence[int]] = None,
        **others,
    ):
        super().__init__(**others)
        self.named: Optional[NamedReference] = None
        if reference_config is not None or reference_model_file is not None:
            self.named = NamedReference(
                reference_config, reference_model_file, student_init, student_layers
            )
            teacher_dim = self.named.width() if teacher_dim is None else teacher_dim
        if not ctc_loss_weight >= 0:
            raise UserError(f"ctc_loss_weight {ctc_loss_weight}: must be 0 or more")
        self.ctc_loss_weight = ctc_loss_weight
        self._exits = tuple(getattr(self.encoder, "interctc_layer_idx", None) or ())
        self._exit_weights = read_exit_weights(exit_weights, self._exits)
        self.consistency = read_options(
            Consistency, consistency, "model_conf.consistency"
        )
        if self.consistency.weight and self.specaug is None:
            raise UserError(
                "model_conf.consistency needs SpecAugment, without which both views "
                "are the same: set specaug, or remove it"
            )
        self.self_distillation = read_options(
            SelfDistillation, self_distillation, "model_conf.self_distillation"
        )
        if self.self_distillation.weight and not self._exits:
            raise UserError(
                "model_conf.self_distillation needs a student with several sizes: give "
                "it exits (--student_exits, or --family nested in the recipes), or "
                "remove it"
            )
        self.fading = read_options(Fading, fading, "model_conf.fading")
        if self.fading.end == 0 and not ctc_loss_weight:
            raise UserError(
                "model_conf.fading.end 0: nothing is trained at the end without "
                "ctc_loss_weight: give it a value above 0, or set ctc_loss_weight"
            )
        self.resample_targets = resample_targets
        self.objectives = WeightedObjectives(
            {"clip": {}, "mse": {}} if objectives is None else objectives,
            student_dim=self.ctc.ctc_lo.in_features,
            teacher_dim=teacher_dim,
        )
        if resample_targets:
            self.objectives.refuse_single_frames(
                "the student has a different frame rate from the reference, and the "
                "reference's encodings are not resampled: give the student the "
                "reference's front end and input_layer, or remove these objectives"
            )
        self.score_book: Optional[ScoreBook] = None
        self.teacher: Union[FrozenTeacher, CachedTeacher, None] = None
        if self.named is not None:
            _forbid_time_warp(self.specaug)
            if not (self.objectives.use_posteriors or ctc_loss_weight):
                # It would get no gradient, for which distributed training would wait.
                self.ctc.requires_grad_(False)
            self.named.prepare(self)
            # ESPnet initialises all modules again after this constructor.
            self.copy_last = _CopyLast(self)

    def attach_teacher(self, teacher: Union[FrozenTeacher, CachedTeacher]) -> None:
        """Set the teacher."""
        self.teacher = teacher

    def forward(
        self,
        speech: torch.Tensor,
        speech_lengths: torch.Tensor,
        text: Optional[torch.Tensor] = None,
        text_lengths: Optional[torch.Tensor] = None,
        **kwargs,
    ):
        """Compute the EncRL loss.

        Without ``ctc_loss_weight`` transcripts are only used for the error rate on the
        development set.

        Args:
            speech: ``(batch, samples)`` or ``(batch, frames, features)``.
            speech_lengths: ``(batch,)``.
            text: Token ids, ``(batch, tokens)``, padded with -1.
            text_lengths: ``(batch,)``.
            kwargs: ``utt_id``, the names of the utterances.

        Returns:
            Loss, statistics and weight (the batch size), for ESPnet's trainer.

        Raises:
            UserError: If no teacher is attached, its number of frames differs from the
                student's, transcripts are missing, or the loss is not finite.
        """
        if self.teacher is None and self.named is not None:
            self.attach_teacher(self.named.load())
        if self.teacher is None:
            raise UserError(
                "an EncRL model cannot run without its reference: for training, use "
                "espnet_plugin.tasks.encrl or give model_conf.reference_config; for "
                "decoding, use the models that stage 6 writes"
            )
        if self.ctc_loss_weight and text is None:
            raise UserError(
                "ctc_loss_weight needs transcripts: give text in the training and "
                "validation data, or set it to 0"
            )
        # ESPnet applies SpecAugment in training mode only, in which the teacher never
        # is, so the teacher's outputs do not depend on it and can be cached.
        theirs = self.teacher(
            speech, speech_lengths, kwargs.get("utt_id"), self.training
        )
        # SpecAugment draws other masks for each utterance of the joined batch.
        views = self.consistency.views
        if views > 1 and not (self.training or self.teacher.counting):
            views = 1
        joined = exit_outputs(
            self,
            torch.cat([speech] * views),
            torch.cat([speech_lengths] * views),
        )
        exits = [split_views(outputs, views) for outputs in joined]
        last = exits[-1][0]
        if theirs is None:  # operations are being counted on noise
            theirs = last.stand_in(self.teacher.dim)
        if self.resample_targets:
            # Utterances are resampled as a whole: the last frames correspond.
            theirs = resample_outputs(theirs, last.lengths, last.encoding.size(1))
        elif not torch.equal(last.lengths, theirs.lengths):
            raise UserError(
                f"the student makes {last.lengths.tolist()[:3]}... frames, but the "
                f"reference {theirs.lengths.tolist()[:3]}...: frontend and "
                "input_layer must agree, and specaug_conf.apply_time_warp must be "
                "false"
            )
        if text is not None and (self.ctc_loss_weight or not self.training):
            text = text[:, : text_lengths.max()]
        else:
            text = None
        names = kwargs.get("utt_id")
        if self.score_book is not None and self.training and names is not None:
            scores = divergence_by_utterance(last, theirs)
            self.score_book.update(names, scores.tolist())
        weights = _StepWeights(
            self.fading.next_weight(self.training),
            self.consistency.next_weight(self.training) if views > 1 else 0.0,
            # Not on the development set, where it would take part in choosing epochs.
            self.self_distillation.next_weight(True) if self.training else 0.0,
        )
        loss, stats = self._loss(exits[-1], theirs, text, text_lengths, weights)
        for layer, weight, ours in zip(self._exits, self._exit_weights, exits):
            one, values = self._loss(ours, theirs, text, text_lengths, weights)
            if weights.self_distillation:
                apart = divergence_from_largest(ours, exits[-1])
                one = one + weights.self_distillation * apart
                values["loss_self"] = apart.detach()
            loss = loss + weight * one
            stats.update({f"{name}_layer{layer}": v for name, v in values.items()})
        # The mean, so that the learning rate does not depend on the number of exits.
        loss = loss / (1.0 + sum(self._exit_weights))
        if not torch.isfinite(loss):
            raise UserError(
                f"the loss is {loss.item()} on {kwargs.get('utt_id', '?')}: lower the "
                "learning rate, or check these utterances; the last checkpoint is "
                "complete"
            )
        stats["loss"] = loss.detach()
        return force_gatherable((loss, stats, speech.shape[0]), loss.device)

    def _loss(
        self,
        views: Sequence[EncoderOutputs],
        theirs: EncoderOutputs,
        text: Optional[torch.Tensor],
        text_lengths: Optional[torch.Tensor],
        weights: "_StepWeights",
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        """Return the loss of one exit, the mean of its views, and its parts."""
        each = [
            self._one_view(ours, theirs, text, text_lengths, weights.objectives)
            for ours in views
        ]
        loss = sum(one for one, _ in each) / len(views)
        stats = each[0][1]
        if len(views) > 1:
            stats = {
                name: sum(values[name] for _, values in each) / len(views)
                for name, value in stats.items()
                if value is not None
            }
            apart = symmetric_divergence(*views)
            loss = loss + weights.consistency * apart
            stats["loss_consistency"] = apart.detach()
        return loss, stats

    def _one_view(
        self,
        ours: EncoderOutputs,
        theirs: EncoderOutputs,
        text: Optional[torch.Tensor],
        text_lengths: Optional[torch.Tensor],
        weight: float,
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        """Return the loss of one view without consistency, and its parts."""
        loss, stats = self.objectives(ours, theirs)
        loss = weight * loss
        if text is not None:
            ctc, stats["cer_ctc"] = self._calc_ctc_loss(
                ours.encoding, ours.lengths, text, text_lengths
            )
            stats["loss_ctc"] = ctc.detach()
            if self.ctc_loss_weight:
                loss = loss + self.ctc_loss_weight * ctc
        return loss, stats


class _StepWeights(NamedTuple):
    """The weights of a step that change during the training."""

    objectives: float
    consistency: float
    self_distillation: float


class _CopyLast(torch.nn.Module):
    """The last module of a model, which ESPnet initialises after all others.

    It has no tensors. The model is kept in a list, so that it is not registered as a
    sub-module.
    """

    def __init__(self, model: ESPnetEncRLModel):
        super().__init__()
        self._model = [model]

    def espnet_initialization_fn(self) -> None:
        """Copy the layers of the reference again."""
        self._model[0].named.prepare(self._model[0])


def _forbid_time_warp(specaug: Optional[torch.nn.Module]) -> None:
    if getattr(specaug, "apply_time_warp", False):
        raise UserError(
            "specaug_conf.apply_time_warp must be false for EncRL, because warped "
            "frames of the student do not match frames of the teacher"
        )
