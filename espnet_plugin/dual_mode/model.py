"""The dual-mode supernet in supervised training, as a model of ESPnet."""

from typing import Any, Mapping, Optional, Union

import torch
from espnet2.asr.espnet_model import ESPnetASRModel
from espnet2.asr_transducer.utils import get_transducer_task_io
from espnet2.torch_utils.device_funcs import force_gatherable

from espnet_plugin.distill.cache import CachedTeacher
from espnet_plugin.distill.objectives import EncoderOutputs
from espnet_plugin.distill.teacher import FrozenTeacher
from espnet_plugin.dual_mode.encoder import DualModeConformerEncoder
from espnet_plugin.dual_mode.in_place import divergence_by_frame, lattice_divergence
from espnet_plugin.dual_mode.mode_pass import ModePass
from espnet_plugin.dual_mode.options import MODES
from espnet_plugin.dual_mode.plan import TrainingPlan
from espnet_plugin.dual_mode.step import DualModeStep
from espnet_plugin.dual_mode.teaching import TaughtModes, Teaching
from espnet_plugin.dual_mode.transducer import GreedySearch, TransducerLoss
from espnet_plugin.errors import UserError
from espnet_plugin.options import read_options
from espnet_plugin.tensors.frames import frame_mask

__all__ = ["ESPnetDualModeModel"]

# Added to the error rate of an epoch whose masks still change, so that it is not
# chosen.
_NOT_FINAL = 10.0
_BATCHES = "dual_mode_batches"

# Mode, weight and whether it is trained, in the order of computation.
Passes = list[tuple[str, float, bool]]


class ESPnetDualModeModel(ESPnetASRModel):
    """One encoder, trained as a full-context and as a (sparse) streaming recogniser.

    Every utterance is augmented once and processed in both passes. The loss is the
    weighted sum of both losses and of the divergence of the streaming pass from the
    full one. The convolutions at the input, the most expensive part of narrow models,
    are computed once for both passes, unless they are masked.

    With ``decoder: transducer`` the loss of a pass is the transducer loss of torchaudio
    (stock ESPnet needs another package) plus ``ctc_weight`` times the CTC loss;
    otherwise it is the CTC loss.

    - [0] Learning a Dual-Mode Speech Recognition Model via Self-Pruning, 2022,
      https://arxiv.org/abs/2207.11906. Only its abstract was available: weights,
      schedule and distillation are this plugin's design.
    - [1] Dual-mode ASR, 2021, https://arxiv.org/abs/2010.06030.

    Args:
        dual_mode: Options of :class:`DualModeStep`.
        encoder: A :class:`DualModeConformerEncoder`.
        decoder: ESPnet's transducer decoder, or None.
        joint_network: ESPnet's joint network of the transducer, or None.
        ctc_weight: Weight of the CTC loss beside the transducer loss, 0 for none; 1
            without a transducer.
        report_cer: Whether validation counts character errors.
        teaching: Options of :class:`Teaching`, by which a frozen reference teaches the
            modes in the same step. The task attaches the reference.
        others: Options of ``ESPnetASRModel``.

    Attributes:
        probed: The passes to compute while operations are counted; otherwise None.
        teacher: The reference or its stored outputs; not in the checkpoint.

    Raises:
        UserError: If parts of the model cannot stream or contradict each other.
    """

    def __init__(
        self,
        *,
        encoder,
        dual_mode: Optional[Mapping[str, Any]] = None,
        decoder=None,
        joint_network=None,
        ctc_weight: float = 1.0,
        report_cer: bool = True,
        teaching: Optional[Mapping[str, Any]] = None,
        **others,
    ):
        if not isinstance(encoder, DualModeConformerEncoder):
            raise UserError(
                f"encoder {type(encoder).__name__}: dual-mode training needs "
                "encoder: dual_mode_conformer"
            )
        for part in ("preencoder", "postencoder"):
            if others.get(part) is not None:
                raise UserError(f"{part}: it cannot stream; train without it")
        if joint_network is None and ctc_weight != 1.0:
            raise UserError(
                f"ctc_weight {ctc_weight}: must be 1 without decoder: transducer, "
                "because an attention decoder cannot stream"
            )
        step = read_options(DualModeStep, dual_mode, "dual_mode")
        # ESPnet's transducer branch needs a package that ESPnet does not install.
        super().__init__(
            encoder=encoder,
            decoder=None if joint_network is None else decoder,
            joint_network=None,
            ctc_weight=ctc_weight,
            report_cer=report_cer,
            **others,
        )
        self.step = step
        self._plan: Optional[TrainingPlan] = None
        self.probed: Optional[Passes] = None
        self.teacher: Union[FrozenTeacher, CachedTeacher, None] = None
        self.taught: Optional[TaughtModes] = None
        if teaching is not None:
            options = read_options(Teaching, teaching, "model_conf.teaching")
            if self.ctc is None:
                raise UserError(
                    "model_conf.teaching: it needs the CTC layer: give ctc_weight "
                    "above 0"
                )
            self.taught = TaughtModes(options, encoder.output_size())
        # Number of training batches, which determines the masks and the drawn pass. It
        # is in the checkpoint and the same in all ranks.
        self.register_buffer(_BATCHES, torch.zeros((), dtype=torch.long))
        self.use_transducer_decoder = joint_network is not None
        if joint_network is not None:
            self.decoder, self.joint_network = decoder, joint_network
            self.criterion_transducer = TransducerLoss(self.blank_id)

    def attach_teacher(self, teacher: Union[FrozenTeacher, CachedTeacher]) -> None:
        """Set the teacher of the modes.

        Raises:
            UserError: If SpecAugment warps time, because frames would not match.
        """
        if getattr(self.specaug, "apply_time_warp", False):
            raise UserError(
                "specaug_conf.apply_time_warp must be false with model_conf.teaching, "
                "because warped frames do not match frames of the reference"
            )
        self.teacher = teacher

    def set_plan(self, plan: TrainingPlan) -> None:
        """Set the length of the training, on which the schedule of the masks depends.

        Raises:
            UserError: If the training ends while the masks still change.
        """
        if self.encoder.pruner is not None:
            self.encoder.pruner.check_updates(plan.updates)
        self._plan = plan

    def forward(
        self,
        speech: torch.Tensor,
        speech_lengths: torch.Tensor,
        text: torch.Tensor,
        text_lengths: torch.Tensor,
        **kwargs,
    ):
        """Compute the loss of both modes.

        Validation computes both modes. ``cer`` is the mean character error rate of
        the trained modes, ``cer_final`` the same plus 10 while masks still change.

        Args:
            speech: ``(batch, samples)`` or ``(batch, frames, features)``.
            speech_lengths: ``(batch,)``.
            text: Token ids ``(batch, tokens)``, padded with -1.
            text_lengths: ``(batch,)``.
            kwargs: ``utt_id``, the names of the utterances.

        Returns:
            Loss, statistics and weight (the batch size), for ESPnet's trainer.

        Raises:
            UserError: If the loss is not finite, or masks are to move in a training of
                unknown length.
        """
        pruner = self.encoder.pruner
        learning = self._begin_step() if self.training else self._validated()
        text = text[:, : text_lengths.max()]
        # Once, so that both modes hear the same masks of SpecAugment.
        features, lengths = self._features(speech, speech_lengths)
        shared = None
        if self.encoder.one_front_end:
            shared = self.encoder.subsample(features, lengths, "full")
        theirs = self._taught_outputs(speech, speech_lengths, kwargs.get("utt_id"))
        passes: dict[str, ModePass] = {}
        loss, stats = features.new_zeros(()), {}
        for mode, scale, learns in learning:
            with torch.set_grad_enabled(learns and torch.is_grad_enabled()):
                sub_sampled = shared
                if sub_sampled is None:
                    sub_sampled = self.encoder.subsample(features, lengths, mode)
                passes[mode] = one = self._pass(
                    mode, *sub_sampled, text, text_lengths, theirs, learns
                )
            loss = loss + scale * one.loss
            stats.update({f"{k}_{mode}": v for k, v in one.stats.items()})
        if self.step.distillation_weight and len(passes) == 2:
            distance = self._distance(passes, text, text_lengths)
            loss = loss + self._distillation_scale() * distance
            stats["loss_distillation"] = distance.detach()
        if not torch.isfinite(loss):
            raise UserError(
                f"the loss is {loss.item()} on {kwargs.get('utt_id', '?')}: lower the "
                "learning rate, or check these utterances; the last checkpoint is "
                "complete"
            )
        stats["loss"] = loss.detach()
        if not self.training:
            stats.update(self._errors(stats))
            if pruner is not None:
                stats["sparsity"] = torch.tensor(pruner.sparsity)
        return force_gatherable((loss, stats, speech.shape[0]), loss.device)

    def _validated(self) -> Passes:
        if self.probed is not None:
            return self.probed
        return [(mode, self.step.weight(mode), True) for mode in MODES]

    def _begin_step(self) -> Passes:
        """Compute the masks if an update begins; return the passes of this batch."""
        batch = int(getattr(self, _BATCHES))
        getattr(self, _BATCHES).add_(1)
        pruner = self.encoder.pruner
        if pruner is not None:
            if self._plan is None:
                raise UserError(
                    "encoder_conf.pruning: the masks' schedule needs the number of "
                    "updates, which is not known in this kind of training: train "
                    "with python -m espnet_plugin.bin.dual_mode_train (the dualmode1 "
                    "recipes), or without pruning"
                )
            # Only in the first batch of an update, within which masks must not change.
            if self._plan.update(batch) is not None:
                pruner.step(self._plan.updates)
        kinds = self.step_kinds
        if len(kinds) == 1:
            return kinds[0][1]
        generator = torch.Generator().manual_seed(batch)
        drawn = float(torch.rand((), generator=generator))
        return kinds[0][1] if drawn < kinds[0][0] else kinds[1][1]

    @property
    def step_kinds(self) -> list[tuple[float, Passes]]:
        """The probability of each kind of training step, with its passes."""
        step = self.step
        if step.sampling == "both" or len(step.modes) == 1:
            return [(1.0, [(mode, step.weight(mode), True) for mode in step.modes])]
        total = step.full_weight + step.streaming_weight
        full, streaming = ("full", total, True), ("streaming", total, True)
        # The other pass is only computed for distillation.
        others = [("full", 0.0, False)] if step.distillation_weight else []
        return [
            (step.full_share, [full]),
            (1.0 - step.full_share, [*others, streaming]),
        ]

    def _distillation_scale(self) -> float:
        step = self.step
        if self.training and step.sampling == "one":
            return step.distillation_weight / (1.0 - step.full_share)
        return step.distillation_weight

    def _taught_outputs(
        self, speech, speech_lengths, names
    ) -> Optional[EncoderOutputs]:
        """Return the teacher's outputs on clean input; None without a teacher.

        The result is also None for noise on which operations are counted if the outputs
        are stored.
        """
        if self.taught is None:
            return None
        if self.teacher is None:
            raise UserError(
                "model_conf.teaching: there is no reference: train with python -m "
                "espnet_plugin.bin.dual_mode_train --reference DIR"
            )
        return self.teacher(speech, speech_lengths, names, self.training)

    def _features(self, speech, speech_lengths):
        """Compute the features like ``ESPnetASRModel.encode`` before the encoder."""
        features, lengths = self._extract_feats(speech, speech_lengths)
        if self.specaug is not None and self.training:
            features, lengths = self.specaug(features, lengths)
        if self.normalize is not None:
            features, lengths = self.normalize(features, lengths)
        return features, lengths

    def _pass(
        self, mode, sub_sampled, frames, text, text_lengths, theirs, learns
    ) -> ModePass:
        """Compute the loss of a mode, statistics, and the outputs for distillation."""
        taught = learns and self.taught is not None and mode in self.taught.of_mode
        encoding = self.encoder.encode_frames(sub_sampled, frames, mode)
        stats: dict[str, Any] = {}
        loss = encoding.new_zeros(())
        log_posteriors = logits = None
        if self.ctc is not None:
            loss = self.ctc(encoding, frames, text, text_lengths)
            stats["loss_ctc"] = loss.detach()
            if self._recognises:
                stats["cer_ctc"] = self._ctc_cer(encoding, frames, text)
            if self.step.distillation_weight or taught:
                log_posteriors = self.ctc.log_softmax(encoding)
        if self.use_transducer_decoder:
            logits, transducer, cer = self._transducer(encoding, frames, text)
            stats["loss_transducer"] = transducer.detach()
            if cer is not None:
                stats["cer_transducer"] = cer
            loss = transducer + self.ctc_weight * loss
        if taught:
            ours = EncoderOutputs(encoding, log_posteriors, frames)
            if theirs is None:  # operations are being counted on noise
                theirs = ours.stand_in(self.teacher.dim)
            distance, terms = self.taught(mode, ours, theirs)
            stats.update({f"{name}_taught": value for name, value in terms.items()})
            if not self.taught.options.transcripts:
                loss = loss.new_zeros(())
            loss = loss + self.taught.options.weight * distance
        return ModePass(loss, stats, frames, log_posteriors, logits)

    @property
    def _recognises(self) -> bool:
        """Whether this is validation, and not a step whose operations are counted."""
        counted = self.training or self.probed is not None
        return not counted and self.error_calculator is not None

    def _ctc_cer(self, encoding, frames, text) -> float:
        said = self.ctc.argmax(encoding)
        # ESPnet's own count includes tokens that are recognised in the padding.
        said = said.masked_fill(~frame_mask(frames, said.shape[1]), self.blank_id)
        return self.error_calculator(said.cpu(), text.cpu(), is_ctc=True)

    def _transducer(self, encoding, frames, text):
        decoder_in, target, t_len, u_len = get_transducer_task_io(
            text, frames, ignore_id=self.ignore_id, blank_id=self.blank_id
        )
        encoding = encoding[:, : int(t_len.max())]
        self.decoder.set_device(encoding.device)
        predicted = self.decoder(decoder_in)
        logits = self.joint_network(encoding.unsqueeze(2), predicted.unsqueeze(1))
        loss = self.criterion_transducer(logits, target, t_len, u_len)
        cer = None
        if self._recognises:
            cer = self._transducer_cer(encoding, t_len, target, u_len)
        return logits, loss, cer

    def _transducer_cer(self, encoding, t_len, target, u_len) -> float:
        search = GreedySearch(self.decoder, self.joint_network, self.blank_id)
        said = search.tokens_of(encoding, t_len)
        meant = [row[:count].tolist() for row, count in zip(target, u_len.tolist())]
        pairs = zip(map(self._characters, said), map(self._characters, meant))
        return self.error_calculator.calculate_cer(*map(list, zip(*pairs)))

    def _characters(self, tokens) -> str:
        space = self.error_calculator.space
        return "".join(self.token_list[token] for token in tokens).replace(space, " ")

    def _distance(
        self, passes: Mapping[str, ModePass], text, text_lengths
    ) -> torch.Tensor:
        full, streaming = passes["full"], passes["streaming"]
        distance = full.lengths.new_zeros((), dtype=torch.float)
        if self.ctc is not None:
            by_frame = divergence_by_frame(
                streaming.log_posteriors,
                full.log_posteriors,
                full.lengths,
                self.step.delay_frames,
                self.step.temperature,
            )
            distance = by_frame * (
                self.ctc_weight if self.use_transducer_decoder else 1.0
            )
        if self.use_transducer_decoder:
            distance = distance + lattice_divergence(
                streaming.logits,
                full.logits,
                text,
                full.lengths,
                text_lengths,
                self.blank_id,
                self.step.delay_frames,
                self.step.temperature,
            )
        return distance

    def _errors(self, stats: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        head = "transducer" if self.use_transducer_decoder else "ctc"
        rates = [stats.get(f"cer_{head}_{mode}") for mode in self.step.modes]
        if None in rates:
            return {}
        mean = torch.as_tensor(sum(rates) / len(rates), dtype=torch.float)
        pruner = self.encoder.pruner
        moving = pruner is not None and not bool(pruner.frozen)
        return {"cer": mean, "cer_final": mean + (_NOT_FINAL if moving else 0.0)}
