"""A stock ESPnet ASR model that is pruned during training."""

from typing import Any, Mapping, Optional, Union

import torch
from espnet2.asr.espnet_model import ESPnetASRModel
from espnet2.torch_utils.device_funcs import force_gatherable

from espnet_plugin.checkpoints.average import average_states
from espnet_plugin.errors import UserError
from espnet_plugin.options import read_options
from espnet_plugin.pruning.gates import GatePruner
from espnet_plugin.pruning.magnitude import MagnitudePruner
from espnet_plugin.pruning.select import final_sparsity, prunable_modules

__all__ = ["PRUNERS", "ESPnetPrunedModel", "average_final", "plain_state"]

PRUNERS = {"magnitude": MagnitudePruner, "gates": GatePruner}
Pruner = Union[MagnitudePruner, GatePruner]

_UPDATE, _FINAL = "pruning_update", "pruning_final"
# Added to the error rate of an epoch whose masks still change, so that it is not
# chosen.
_NOT_FINAL = 10.0


class ESPnetPrunedModel(ESPnetASRModel):
    """A stock model whose layers have masks and to whose loss a pruner may add.

    Args:
        others: Options of ``ESPnetASRModel``.
    """

    def __init__(self, **others):
        super().__init__(**others)
        self.pruner: Optional[Pruner] = None
        self.updates = 1
        # Both are in every checkpoint, so that a training can be resumed, and so that
        # the checkpoint of an epoch tells whether it may be averaged.
        self.register_buffer(_UPDATE, torch.zeros((), dtype=torch.long))
        self.register_buffer(_FINAL, torch.zeros((), dtype=torch.long))

    def attach_pruner(
        self,
        name: str,
        conf: Mapping[str, Any],
        nonzero: int,
        updates: int,
        without: tuple[str, ...] = (),
    ) -> None:
        """Install masks on the encoder's blocks.

        Args:
            name: Name of the pruner, a key of ``PRUNERS``.
            conf: Options of the pruner.
            nonzero: Number of parameters of the whole model that are to remain.
            updates: Number of updates (batches) of the training.
            without: Sub-modules that stay dense.

        Raises:
            UserError: If the name or an option is unknown, or the number impossible.
        """
        if name not in PRUNERS:
            raise UserError(f"pruner {name!r}: must be one of {', '.join(PRUNERS)}")
        modules = prunable_modules(self, without=without)
        sparsity = final_sparsity(self, modules, nonzero)
        self.pruner = read_options(
            PRUNERS[name], conf, "pruner_conf", modules=modules, sparsity=sparsity
        )
        self.updates = updates

    def forward(self, speech: torch.Tensor, speech_lengths: torch.Tensor, **others):
        """Prune if it is due, then compute the loss of the stock model and the pruner.

        Args:
            speech: ``(batch, samples)`` or ``(batch, frames, features)``.
            speech_lengths: ``(batch,)``.
            others: ``text``, ``text_lengths``, ``utt_id``.

        Returns:
            Loss, statistics and weight (the batch size), for ESPnet's trainer.

        Raises:
            UserError: If the loss is not finite.
        """
        if self.pruner is None:
            raise UserError(
                "the model has no pruner: train it with espnet_plugin.tasks.pruned"
            )
        if self.training:
            self.pruner.step(int(getattr(self, _UPDATE)), self.updates)
            getattr(self, _UPDATE).add_(1)
        loss, stats, weight = super().forward(speech, speech_lengths, **others)
        penalty = self.pruner.penalty() if self.training else None
        if penalty is not None:
            loss = loss + penalty
            stats["loss_sparsity"] = penalty.detach()
        if not torch.isfinite(loss).all():
            raise UserError(
                f"the loss is {loss.detach().tolist()} on "
                f"{others.get('utt_id', '?')}: lower the learning rate; the last "
                "checkpoint is complete"
            )
        stats["loss"] = loss.detach()
        if not self.training:
            final = self.pruner.final
            getattr(self, _FINAL).fill_(int(final))
            stats["sparsity"] = torch.tensor(self.pruner.sparsity)
            if stats.get("cer_ctc") is not None:
                late = 0.0 if final else _NOT_FINAL
                stats["cer_pruned"] = torch.as_tensor(stats["cer_ctc"] + late)
        # For averaging over ranks, all of them must have the shape of the weight.
        return force_gatherable((loss, stats, weight), loss.device)


def plain_state(name: str, state: Mapping[str, torch.Tensor]) -> dict:
    """Return the tensors of the stock model, with masked weights set to zero.

    Args:
        name: Name of the pruner, a key of ``PRUNERS``.
        state: Tensors of an :class:`ESPnetPrunedModel`.
    """
    stock = {k: v for k, v in state.items() if k not in (_UPDATE, _FINAL)}
    return PRUNERS[name].plain_state(stock)


def average_final(states: list[Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Average the checkpoints with final masks.

    Integer tensors (numbers of batches) are taken from the last checkpoint.

    Args:
        states: Tensors of the checkpoints, in the order of their epochs.

    Raises:
        UserError: If no checkpoint has final masks.
    """
    final = [state for state in states if int(state[_FINAL])]
    if not final:
        raise UserError(
            "the requested sparsity was not reached in any epoch that was kept: "
            "train for more epochs, end the schedule earlier, or raise eta or the "
            "learning rate, which determine how fast gates move (--baseline_lr)"
        )
    return average_states(final)
