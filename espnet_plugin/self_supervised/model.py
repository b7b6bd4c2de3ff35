"""ESPnet's SSL model with a dual-mode encoder; both modes have the same targets."""

from typing import Callable, Optional

import torch
from espnet2.ssl.espnet_model import ESPnetSSLModel
from espnet2.torch_utils.device_funcs import force_gatherable
from torch import nn

from espnet_plugin.dual_mode.encoder import DualModeConformerEncoder
from espnet_plugin.dual_mode.plan import TrainingPlan
from espnet_plugin.dual_mode.step import SAMPLINGS
from espnet_plugin.errors import UserError
from espnet_plugin.names import BEST_RQ, DUAL_MODE, SPAN_MASK, WAV2VEC2
from espnet_plugin.self_supervised.dual_mode_loss import DualModeLoss

__all__ = ["ESPnetDualModeSSLModel"]


class ESPnetDualModeSSLModel(ESPnetSSLModel):
    """wav2vec 2.0 or BEST-RQ for a dense full-context and a sparse streaming pass.

    Both passes of a step have the same targets and the same mask. With wav2vec 2.0, the
    normalised features are subsampled by the dense network, and these local features
    are quantised. Then frames are masked, and each pass has to distinguish the targets
    from distractors. With BEST-RQ, the features are quantised by a random projection.
    Then features are replaced by noise and subsampled, and each pass has to predict the
    codes.

    The streaming network is pruned during this training as in supervised training.

    - [0] wav2vec 2.0, 2020, https://arxiv.org/abs/2006.11477
    - [1] Learning a Dual-Mode Speech Recognition Model via Self-Pruning, 2022,
      https://arxiv.org/abs/2207.11906: the contrastive loss for both passes. Only its
      abstract was at hand: weights, masks and schedule are our design.
    - [2] BEST-RQ, 2022, https://arxiv.org/abs/2202.01855

    Args:
        full_weight: Weight of the full pass's loss; 0 leaves the pass out.
        streaming_weight: Weight of the streaming pass's loss; 0 leaves the pass out.
        distillation_weight: Weight of the KL divergence between the passes'
            distributions over candidates (or codes). The full pass is the teacher and
            gets no gradient.
        sampling: ``both`` passes in each step, or ``one``, drawn in proportion to the
            weights; as in :class:`~espnet_plugin.dual_mode.step.DualModeStep`.
        others: Options of ``ESPnetSSLModel``; ``losses`` has one loss, a
            :class:`~espnet_plugin.self_supervised.dual_mode_loss.DualModeLoss`.

    Raises:
        UserError: If an option is out of range, or encoder, loss or mask are
        unsuitable.
    """

    def __init__(
        self,
        full_weight: float = 0.5,
        streaming_weight: float = 0.5,
        distillation_weight: float = 0.0,
        sampling: str = "both",
        **others,
    ):
        super().__init__(**others)
        weights = dict(full=full_weight, streaming=streaming_weight)
        for name, weight in {**weights, "distillation": distillation_weight}.items():
            if not 0.0 <= weight < float("inf"):
                raise UserError(f"{name}_weight {weight}: must be 0 or more")
        self._weights = {mode: w for mode, w in weights.items() if w > 0.0}
        if not self._weights:
            raise UserError(
                "full_weight and streaming_weight are 0: at least one must be above 0"
            )
        if sampling not in SAMPLINGS:
            raise UserError(
                f"sampling {sampling!r}: must be one of {', '.join(SAMPLINGS)}"
            )
        if distillation_weight and (sampling != "both" or len(self._weights) < 2):
            raise UserError(
                f"distillation_weight {distillation_weight}: needs sampling: both, and "
                "neither full_weight nor streaming_weight 0"
            )
        self._distillation, self._sampling = distillation_weight, sampling
        if not isinstance(self.encoder, DualModeConformerEncoder):
            raise UserError(
                f"encoder {type(self.encoder).__name__}: this model only supports "
                f"{DUAL_MODE}; use model: espnet for other encoders"
            )
        if len(self.losses) != 1 or not isinstance(self.losses[0], DualModeLoss):
            raise UserError(
                f"loss: give one, `- name: {WAV2VEC2}` or `- name: {BEST_RQ}`"
            )
        if SPAN_MASK not in self.util_modules:
            raise UserError(
                f"util: give `- name: {SPAN_MASK}`, and give its name in the loss"
            )
        self.losses[0].fit_to(self.encoder)
        if not self.losses[0].hides_features:
            # Replaces masked frames.
            self.mask_vector = nn.Parameter(
                torch.empty(self.encoder.output_size()).uniform_()
            )
        elif self.specaug is not None:
            raise UserError(
                f"specaug: not with `- name: {BEST_RQ}`, whose targets would be made "
                "of features that SpecAugment has masked; set specaug: null"
            )
        self._plan: Optional[TrainingPlan] = None
        # Passes to compute while operations are counted.
        self.probed: Optional[dict[str, float]] = None

    @property
    def step_kinds(self) -> list[tuple[float, dict[str, float]]]:
        """Probability of each kind of training step, and the weights of its passes."""
        if self._sampling == "both" or len(self._weights) < 2:
            return [(1.0, dict(self._weights))]
        total = sum(self._weights.values())
        return [
            (weight / total, {mode: total}) for mode, weight in self._weights.items()
        ]

    def set_plan(self, plan: TrainingPlan) -> None:
        """Set the length of the training, on which the schedules depend.

        Raises:
            UserError: If the training would end while the masks still change.
        """
        if self.encoder.pruner is not None:
            self.encoder.pruner.check_updates(plan.updates)
        self._plan = plan

    def collect_feats(
        self,
        speech: torch.Tensor,
        speech_lengths: torch.Tensor,
        text: Optional[torch.Tensor] = None,
        text_lengths: Optional[torch.Tensor] = None,
        **others,
    ) -> dict[str, torch.Tensor]:
        """Return the features for collecting statistics; no text is needed."""
        feats, lengths = self._extract_feats(speech, speech_lengths)
        return {"feats": feats, "feats_lengths": lengths}

    def inference_encode(
        self,
        speech: torch.Tensor,
        speech_lengths: torch.Tensor,
        use_mask: bool = False,
        use_final_output: bool = True,
    ) -> tuple[torch.Tensor, list[torch.Tensor], torch.Tensor]:
        """Encode without masks, in the encoder's mode; only the last layer is returned.

        Raises:
            UserError: If ``use_mask`` is true.
        """
        if use_mask:
            raise UserError("use_mask: the dual-mode model only masks in training")
        encodings, lengths, _ = self.encoder(*self._features(speech, speech_lengths))
        return encodings, [encodings], lengths

    def forward(
        self,
        speech: torch.Tensor,
        speech_lengths: torch.Tensor,
        text: Optional[torch.Tensor] = None,
        text_lengths: Optional[torch.Tensor] = None,
        **others,
    ):
        """Compute the loss of a batch; in training, advance the schedules first.

        In evaluation, masks and distractors always have the same seed, so that epochs
        can be compared.

        Args:
            speech: Samples ``(batch, samples)`` or ``(batch, frames, features)``.
            speech_lengths: Numbers of samples or frames, ``(batch,)``.
            text: Not used.
            text_lengths: Not used.
            others: ``utt_id``.

        Returns:
            Loss, statistics and weight (number of masked frames), for ESPnet's trainer.

        Raises:
            UserError: If samples or loss are not finite, or no frame can be masked.
        """
        names = others.get("utt_id", "a batch")
        modes, generator = dict(self._weights), None
        if self.training:
            modes = self._begin_step(modes)
        else:
            modes = modes if self.probed is None else self.probed
            generator = torch.Generator().manual_seed(0)
        features, lengths = self._features(speech, speech_lengths)
        if not torch.isfinite(features).all():
            raise UserError(
                f"{names}: some samples are not finite (NaN or infinite), or the "
                "feature statistics are not; correct the data"
            )
        if features.shape[1] < self.encoder.embed.span:
            raise UserError(
                f"{names}: too short for one encoder frame; remove these utterances"
            )
        frame_lengths = self.encoder.embed.frames(lengths.to(features.device))
        frames = self.encoder.embed.frames(features.shape[1])
        valid = torch.arange(frames, device=features.device) < frame_lengths[:, None]
        mask = self.util_modules[SPAN_MASK](frame_lengths, frames, generator)
        ssl_loss = self.losses[0]
        local, layer_input = self._hide(features, lengths, mask, generator)
        try:
            targets = ssl_loss.targets(local, valid, mask, generator)
        except UserError as error:
            raise UserError(f"{names}: {error}") from error
        objective, passes = ssl_loss.objective, {}
        for mode in modes:
            own = layer_input(mode)
            encodings = self.encoder.encode_frames(own, frame_lengths, mode)
            passes[mode] = objective.compare(encodings, targets)
        loss = sum(modes[mode] * passes[mode].loss for mode in modes)
        extra, stats = ssl_loss.regularise(targets)
        if extra is not None:
            loss = loss + extra
        stats.update(targets.stats)
        if self._distillation:
            extra = objective.distil(passes["full"], passes["streaming"], targets)
            loss = loss + self._distillation * extra
            stats["loss_distillation"] = extra.detach()
        for mode, one in passes.items():
            stats[f"loss_{mode}"] = one.loss.detach()
            stats[f"acc_{mode}"] = one.accuracy
        if self.training:
            stats.update(ssl_loss.schedule_stats())
        elif self.encoder.pruner is not None:
            stats["sparsity"] = torch.tensor(self.encoder.pruner.sparsity)
        if not torch.isfinite(loss):
            raise UserError(
                f"the loss is {loss.item()} on {names}: lower the learning rate; the "
                "last checkpoint is complete"
            )
        stats["loss"] = loss.detach()
        weight = targets.usable.sum()
        return force_gatherable((loss, stats, weight), loss.device)

    def _hide(
        self,
        features: torch.Tensor,
        lengths: torch.Tensor,
        mask: torch.Tensor,
        generator: Optional[torch.Generator],
    ) -> tuple[torch.Tensor, Callable[[str], torch.Tensor]]:
        """Return the features to quantise, and the layers' input as a function of mode.

        Both passes share the subsampling unless pruning masks apply to it.
        """
        encoder, ssl_loss, frames = self.encoder, self.losses[0], None
        hides = ssl_loss.hides_features
        seen = ssl_loss.hide(features, mask, generator) if hides else features
        if encoder.one_front_end or not hides:
            frames, _ = encoder.subsample(seen, lengths, "full")

        def layer_input(mode: str) -> torch.Tensor:
            own = frames
            if own is None or (mode == "streaming" and not encoder.one_front_end):
                own, _ = encoder.subsample(seen, lengths, mode)
            if hides:
                return own
            return torch.where(mask[..., None], self.mask_vector.to(own.dtype), own)

        return ssl_loss.local_features(features, None if hides else frames), layer_input

    def _features(self, speech: torch.Tensor, speech_lengths: torch.Tensor):
        """Run the part of ESPnet's ``encode`` before the encoder."""
        with torch.autocast(speech.device.type, enabled=False):
            features, lengths = self._extract_feats(speech, speech_lengths)
            if self.specaug is not None and self.training:
                features, lengths = self.specaug(features, lengths)
            if self.normalize is not None:
                features, lengths = self.normalize(features, lengths)
        if self.preencoder is not None:
            features, lengths = self.preencoder(features, lengths)
        return features, lengths

    def _begin_step(self, modes: dict[str, float]) -> dict[str, float]:
        """Advance the schedules if an update begins; return this step's weights."""
        if self._plan is None:
            raise UserError(
                "this model is trained through tasks/dual_mode_ssl.py, which knows the "
                "number of updates"
            )
        # ESPnet's counter is in every checkpoint, so a resumed training continues from
        # it.
        batch = int(self.global_step)
        self.global_step.add_(1)
        update = self._plan.update(batch)
        if update is not None:
            self.losses[0].step(update, self._plan.updates)
            if self.encoder.pruner is not None:
                self.encoder.pruner.step(self._plan.updates)
        if self._sampling == "both" or len(modes) < 2:
            return modes
        # Seeded by the batch number, so that all ranks and resumed runs draw the same.
        total = sum(modes.values())
        generator = torch.Generator().manual_seed(batch)
        share = float(torch.rand((), generator=generator)) * total
        return {"full" if share < modes["full"] else "streaming": total}
