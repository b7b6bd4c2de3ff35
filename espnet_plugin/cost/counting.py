"""Count the operations of one training step on random input."""

from contextlib import contextmanager
from typing import Iterable, Iterator

import torch

from espnet_plugin.cost.flop_counter import flop_counter

__all__ = ["count_step"]


def count_step(
    model: torch.nn.Module, batch: dict, utterances: int, seconds: float
) -> tuple[int, int]:
    """Count the operations of forward and backward pass on random input.

    The model is in evaluation mode and ``.grad`` is not changed, so that batch
    statistics, random numbers and gradients of the training stay the same. Layers with
    stochastic depth are weighted by the share of steps in which they run.

    Args:
        model: A model with ``seconds_per_input``.
        batch: A real batch, which defines the keys, types and widths.
        utterances: Number of utterances.
        seconds: Duration of each utterance in seconds.

    Returns:
        Floating-point operations of the student (or plain model), and of its frozen
        teacher.
    """
    length = max(1, round(seconds / model.seconds_per_input))
    # A decoder's work depends on the transcript: use the batch's tokens per second.
    tokens = 1
    if "text" in batch:
        longest = int(batch["speech_lengths"].max())
        tokens = max(1, round(batch["text"].size(1) * length / longest))
    probe = {}
    for key, value in batch.items():
        if key == "speech":
            shape = (utterances, length, *value.shape[2:])
            generator = torch.Generator().manual_seed(0)
            probe[key] = torch.randn(shape, generator=generator).to(value)
        elif key == "speech_lengths":
            probe[key] = value.new_full((utterances,), length)
        elif key.endswith("_lengths"):
            probe[key] = value.new_full((utterances,), tokens)
        elif isinstance(value, torch.Tensor):
            probe[key] = value[:1, :1].clamp(min=1).repeat(utterances, tokens)
    teacher = getattr(model, "teacher", None)
    # A model with different kinds of steps lists them with their shares.
    kinds = getattr(model, "step_kinds", [(1.0, None)])
    chances = _chances_to_skip(model)
    training = model.training
    model.eval()
    ours = theirs = 0.0
    try:
        for share, kind in kinds:
            if kind is not None:
                model.probed = kind
            if teacher is not None:
                teacher.counting, teacher.flops = True, 0
            counted = _count_once(model, probe)
            taught = teacher.flops if teacher is not None else 0
            if chances:
                # All layers of an encoder cost the same, so one count without all
                # layers that may be skipped gives the cost of each.
                with _skipped(chances):
                    least = _count_once(model, probe)
                counted -= (counted - least) * sum(chances.values()) / len(chances)
            ours += share * (counted - taught)
            theirs += share * taught
    finally:
        model.train(training)
        if hasattr(model, "probed"):
            model.probed = None
        if teacher is not None:
            teacher.counting = False
    return round(ours), round(theirs)


def _count_once(model: torch.nn.Module, probe: dict) -> int:
    with flop_counter() as counter, torch.enable_grad():
        loss = model(**probe)[0]
        parameters = [p for p in model.parameters() if p.requires_grad]
        torch.autograd.grad(loss.sum(), parameters, allow_unused=True)
    return counter.get_total_flops()


def _chances_to_skip(model: torch.nn.Module) -> dict[torch.nn.Module, float]:
    """Return the layers with stochastic depth and their rates of being skipped."""
    return {
        layer: layer.stochastic_depth_rate
        for layer in model.modules()
        if getattr(layer, "stochastic_depth_rate", 0) > 0
    }


@contextmanager
def _skipped(layers: Iterable[torch.nn.Module]) -> Iterator[None]:
    """Let layers return their input, as in steps in which they are skipped."""
    before = [(layer, layer.forward) for layer in layers]
    for layer, _ in before:
        layer.forward = _pass_on
    try:
        yield
    finally:
        for layer, _ in before:
            del layer.forward


def _pass_on(x, mask, cache=None):
    return x, mask
