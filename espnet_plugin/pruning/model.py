"""A stock ESPnet ASR model that is pruned while it is trained."""

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
# Put on the error rate of an epoch whose masks still change, so that it is not chosen.
_NOT_FINAL = 10.0


class ESPnetPrunedModel(ESPnetASRModel):
    """A stock model whose layers carry masks, and whose loss a pruner may add to.

    Args:
        others: Options of ``ESPnetASRModel``.
    """

    def __init__(self, **others):
        super().__init__(**others)
        self.pruner: Optional[Pruner] = None
        self.updates = 1
        # Both travel with every checkpoint: a resumed training goes on where it was,
        # and an epoch's file says whether it may be averaged.
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
            name: A key of ``PRUNERS``.
            conf: Its options.
            nonzero: Parameters of the whole model that are to be left.
            updates: Batches of the training in all.
            without: Sub-modules that stay dense.

        Raises:
            UserError: If the name or an option is unknown, or the count impossible.
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
        """Prune, if it is time, then compute the stock loss and the pruner's.

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
            raise UserError("a pruned model is trained through tasks/pruned.py")
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
        # Several ranks average each of them by the weight, of whose shape it has to be.
        return force_gatherable((loss, stats, weight), loss.device)


def plain_state(name: str, state: Mapping[str, torch.Tensor]) -> dict:
    """Return the stock tensors of a checkpoint, masks multiplied in.

    Args:
        name: Name of the pruner, a key of ``PRUNERS``.
        state: Tensors of an :class:`ESPnetPrunedModel`.
    """
    stock = {k: v for k, v in state.items() if k not in (_UPDATE, _FINAL)}
    return PRUNERS[name].plain_state(stock)


def average_final(states: list[Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Average those checkpoints whose masks were final.

    Whole numbers (batch counts) are the last one's.

    Args:
        states: Tensors of the checkpoints, in the order of their epochs.

    Raises:
        UserError: If there is none.
    """
    final = [state for state in states if int(state[_FINAL])]
    if not final:
        raise UserError(
            "the requested sparsity was not reached in any epoch that was kept: "
            "train for more epochs, end the schedule earlier, or raise eta or the "
            "learning rate, which determine how fast gates move (--baseline_lr)"
        )
    return average_states(final)
