"""Train the probes of all layers together, and count their errors.

Plain torch; the caller provides the outputs of the layers.
"""

import logging
import random
from dataclasses import dataclass
from typing import Callable, NamedTuple, Sequence

import jiwer
import torch

from espnet_plugin.counted import counted
from espnet_plugin.decode.best_path import best_path
from espnet_plugin.errors import UserError
from espnet_plugin.probe.heads import LayerProbes
from espnet_plugin.probe.options import ProbeOptions
from espnet_plugin.progress import progress

__all__ = [
    "LayerOutputs",
    "LayerScore",
    "fit_probes",
    "needed_frames",
    "token_errors",
]


class LayerOutputs(NamedTuple):
    """Outputs of every layer for a batch.

    Attributes:
        layers: Outputs ``(batch, frames, width)`` of each layer, without gradient.
        lengths: Numbers of valid frames, ``(batch,)``.
    """

    layers: Sequence[torch.Tensor]
    lengths: torch.Tensor


# Function from indices of utterances to the outputs of the layers.
Encode = Callable[[Sequence[int]], LayerOutputs]


@dataclass(frozen=True)
class LayerScore:
    """Errors of the probe of one layer.

    Attributes:
        layer: Number of the layer, from 1.
        errors: Number of substitutions, deletions and insertions of tokens on dev.
        tokens: Number of tokens in dev's transcripts.
        train_loss: Mean CTC loss per training utterance in the last epoch, in nats.
    """

    layer: int
    errors: int
    tokens: int
    train_loss: float

    @property
    def rate(self) -> float:
        """Token error rate in percent."""
        return 100.0 * self.errors / self.tokens


def fit_probes(
    encode_train: Encode,
    train: Sequence[Sequence[int]],
    encode_dev: Encode,
    dev: Sequence[Sequence[int]],
    tokens: int,
    options: ProbeOptions = ProbeOptions(),
    drop: Sequence[int] = (),
) -> list[LayerScore]:
    """Train a probe for each layer, all in the same passes over the data.

    The probes only share the outputs of the layers. Gradients are clipped for each
    probe, and Adam treats each weight separately, so a probe learns the same as if it
    were trained alone.

    Args:
        encode_train: Function that encodes training utterances.
        train: Token indices of each training utterance.
        encode_dev: Function that encodes utterances of dev.
        dev: Token indices of each utterance of dev.
        tokens: Number of tokens, including the blank (0).
        options: Training options.
        drop: Tokens that are removed from hypotheses.

        Returns:
            The scores on dev, layer by layer.

    Raises:
        UserError: If the training data or dev has no usable utterance, or a loss is not
            finite.
    """
    if not any(len(one) for one in dev):
        raise UserError(
            "dev: no utterance has a token, so there is no error rate: check the text "
            "of the development data"
        )
    if not any(len(one) for one in train):
        raise UserError(
            "no training utterance has a token, so nothing can be learnt: "
            "check the text of the training data"
        )
    probes, losses = _train(encode_train, train, tokens, options)
    errors = _errors(probes, encode_dev, dev, options.batch_size, drop)
    count = sum(len(one) for one in dev)
    return [
        LayerScore(number, wrong, count, loss)
        for number, (wrong, loss) in enumerate(zip(errors, losses), 1)
    ]


def _train(
    encode: Encode,
    train: Sequence[Sequence[int]],
    tokens: int,
    options: ProbeOptions,
) -> tuple[LayerProbes, list[float]]:
    """Return the trained probes, and the mean loss of each in the last epoch."""
    # Utterances of similar length form a batch; the order of the batches is random.
    order = sorted(range(len(train)), key=lambda index: len(train[index]))
    size = options.batch_size
    batches = [order[n : n + size] for n in range(0, len(order), size)]
    probes, optim, schedule, means = None, None, None, []
    drawn = random.Random(options.seed)
    for epoch in range(1, options.epochs + 1):
        total, used, too_short = 0.0, 0, 0
        shuffled = drawn.sample(batches, len(batches))
        for batch in progress(shuffled, len(batches), f"batches of epoch {epoch}"):
            outputs = encode(batch)
            if probes is None:
                widths = [one.shape[2] for one in outputs.layers]
                probes = LayerProbes(widths, tokens, options.seed)
                probes = probes.to(outputs.lengths.device).train()
                optim = torch.optim.Adam(probes.parameters(), lr=options.learning_rate)
                schedule = torch.optim.lr_scheduler.LinearLR(
                    optim, 1.0, 0.0, options.epochs * len(batches)
                )
            targets = [torch.tensor(train[index]) for index in batch]
            frames = outputs.lengths.tolist()
            fits = [n >= max(1, needed_frames(t)) for n, t in zip(frames, targets)]
            too_short += fits.count(False)
            # Standardising needs at least two frames.
            if any(fits) and sum(n for n, fit in zip(frames, fits) if fit) > 1:
                losses = probes.losses(*_chosen(outputs, targets, fits))
                _step(probes, optim, losses, sum(fits))
                total, used = total + losses.detach().cpu(), used + sum(fits)
                schedule.step()
        if not used:
            raise UserError(
                "no training utterance has as many encoder frames as its transcript "
                "needs: give other training data"
            )
        means = [float(loss) / used for loss in total]
        logging.info(
            "epoch %d: loss of each layer %s%s",
            epoch,
            " ".join(f"{loss:.3g}" for loss in means),
            f"; {counted(too_short, 'utterance')} too short" if too_short else "",
        )
    return probes, means


def _chosen(
    outputs: LayerOutputs, targets: Sequence[torch.Tensor], fits: Sequence[bool]
) -> tuple[list[torch.Tensor], torch.Tensor, list[torch.Tensor]]:
    """Leave out utterances that are too short."""
    index = torch.tensor([n for n, fit in enumerate(fits) if fit])
    index = index.to(outputs.lengths.device)
    layers = [one[index] for one in outputs.layers]
    kept = [one for one, fit in zip(targets, fits) if fit]
    return layers, outputs.lengths[index], kept


def _step(
    probes: LayerProbes,
    optim: torch.optim.Optimizer,
    losses: torch.Tensor,
    utterances: int,
) -> None:
    if not torch.isfinite(losses).all():
        raise UserError(
            f"the losses of the layers' probes are {losses.tolist()}: lower the "
            "learning rate"
        )
    optim.zero_grad()
    (losses.sum() / utterances).backward()
    for probe in probes:
        torch.nn.utils.clip_grad_norm_(probe.parameters(), 5.0)
    optim.step()


@torch.no_grad()
def _errors(
    probes: LayerProbes,
    encode: Encode,
    dev: Sequence[Sequence[int]],
    batch_size: int,
    drop: Sequence[int],
) -> list[int]:
    probes.eval()
    errors = [0] * len(probes)
    order = sorted(range(len(dev)), key=lambda index: len(dev[index]))
    for n in range(0, len(order), batch_size):
        batch = order[n : n + batch_size]
        outputs = encode(batch)
        for layer, (probe, output) in enumerate(zip(probes, outputs.layers)):
            found = best_path(probe(output, outputs.lengths), outputs.lengths, 0, drop)
            for index, (recognised, _) in zip(batch, found):
                errors[layer] += token_errors(dev[index], recognised)
    return errors


def needed_frames(tokens: Sequence[int]) -> int:
    """Return the number of frames that CTC needs, with blanks between equal tokens."""
    values = [int(one) for one in tokens]
    return len(values) + sum(a == b for a, b in zip(values, values[1:]))


def token_errors(reference: Sequence[int], hypothesis: Sequence[int]) -> int:
    """Return the minimum number of substitutions, deletions and insertions."""
    if not reference:  # which jiwer does not accept
        return len(hypothesis)
    wanted, given = (" ".join(map(str, one)) for one in (reference, hypothesis))
    found = jiwer.process_words(wanted, given)
    return found.substitutions + found.deletions + found.insertions
