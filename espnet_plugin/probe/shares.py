"""How much a streaming model loses if parts of it are masked, without training."""

import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Sequence

import torch
from torch.nn.utils.rnn import pad_sequence

from espnet_plugin.counted import counted
from espnet_plugin.decode.best_path import best_path
from espnet_plugin.decode.posteriors import features_alone
from espnet_plugin.dual_mode.encoder import DualModeConformerEncoder
from espnet_plugin.dual_mode.shares import (
    MaskedShares,
    equal_sizes,
    masked,
    removed_parameters,
)
from espnet_plugin.errors import UserError
from espnet_plugin.files import write_json, write_text
from espnet_plugin.probe.fit import needed_frames, token_errors
from espnet_plugin.probe.opened import open_model
from espnet_plugin.probe.utterances import Utterances
from espnet_plugin.progress import progress

__all__ = [
    "MaskedModel",
    "ShareTrials",
    "measure_shares",
    "shares_table",
    "write_shares",
]

_STEM = "mask_shares"
_BATCH = 16
_ALONE = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class MaskedModel:
    """A model with masks, not trained with them.

    Attributes:
        shares: What is masked.
        removed: Number of masked parameters.
        loss: CTC loss per utterance in nats.
        token_error_rate: In percent.
    """

    shares: MaskedShares
    removed: int
    loss: float
    token_error_rate: float


@dataclass(frozen=True)
class ShareTrials:
    """The results of one model.

    Attributes:
        folder: Experiment folder.
        dev: The utterances' folder.
        utterances: Number of utterances used.
        criterion: Score by which groups were chosen.
        maskable: Number of parameters that can be masked.
        alone: Nothing masked, then one kind of groups at a time.
        together: Shares with about as many masked parameters as ``sparsity`` of every
            kind, by loss.
        sparsity: This share.
    """

    folder: Path
    dev: Path
    utterances: int
    criterion: str
    maskable: int
    alone: tuple[MaskedModel, ...]
    together: tuple[MaskedModel, ...]
    sparsity: float


def measure_shares(
    folder: Path,
    dev_dir: Path,
    sparsity: float = 0.5,
    criterion: str = "mean_abs",
    most: int = 300,
    seed: int = 0,
) -> ShareTrials:
    """Mask a trained dense model in many ways, and count its errors in streaming mode.

    Args:
        folder: Experiment folder of a dual-mode training without masks, or of its
            streaming model.
        dev_dir: Kaldi folder with ``wav.scp`` and ``text``.
        sparsity: Share of every kind whose number of parameters is the wanted one.
        criterion: Score by which groups are chosen.
        most: Largest number of utterances, evenly spaced in ``dev_dir``.
        seed: Seed of the criterion ``random``.

    Raises:
        UserError: If the model has masks or no streaming mode, or data is missing.
    """
    opened = open_model(folder)
    if "streaming" not in opened.modes:
        raise UserError(
            f"{folder} was only trained for {' and '.join(opened.modes)}: give a "
            "dual-mode model with a streaming mode, e.g. of the row streaming_alone"
        )
    encoder = opened.model.encoder
    maskable = removed_parameters(encoder, MaskedShares())[1]
    trials = equal_sizes(encoder, sparsity)
    data = Utterances(dev_dir, opened.train_args, folder)
    batches = _batches(opened.model, data, most)
    alone = _one_kind(encoder)
    results = []
    every = [*alone, *trials]
    for shares in progress(every, len(every), "models"):
        with masked(encoder, shares, criterion, seed):
            loss, rate = _score(opened.model, batches)
        removed = removed_parameters(encoder, shares)[0]
        results.append(MaskedModel(shares, removed, loss, rate))
    together = sorted(results[len(alone) :], key=lambda one: one.loss)
    return ShareTrials(
        *(folder, dev_dir, sum(len(one.tokens) for one in batches), criterion),
        *(maskable, tuple(results[: len(alone)]), tuple(together), sparsity),
    )


def _one_kind(encoder: DualModeConformerEncoder) -> list[MaskedShares]:
    """Return no masks, and shares of one kind, each of which masks something else.

    Whole groups are masked: of two heads, 25 % is none and 75 % is one.
    """
    found = {("", 0): MaskedShares()}
    for kind in ("heads", "units", "channels"):
        for share in _ALONE:
            shares = MaskedShares(**{kind: share})
            removed, _ = removed_parameters(encoder, shares)
            if removed:
                found.setdefault((kind, removed), shares)
    return list(found.values())


@dataclass(frozen=True)
class _Batch:
    """Subsampled frames ``(batch, frames, width)``, their numbers, and the tokens."""

    frames: torch.Tensor
    lengths: torch.Tensor
    tokens: list[list[int]]


@torch.no_grad()
def _batches(model: Any, data: Utterances, most: int) -> list[_Batch]:
    """Return the input of the layers, which masks do not change."""
    encoder: DualModeConformerEncoder = model.encoder
    chosen = range(0, len(data.names), -(-len(data.names) // most))
    order = sorted(chosen, key=lambda index: len(data.tokens[index]))
    found = []
    for start in range(0, len(order), _BATCH):
        indices = order[start : start + _BATCH]
        features = [features_alone(model, one) for one in data.speech(indices)]
        kept = [(i, one) for i, one in zip(indices, features) if one is not None]
        if kept:
            sizes = torch.tensor([len(one) for _, one in kept])
            padded = pad_sequence([one for _, one in kept], batch_first=True)
            frames, lengths = encoder.subsample(padded, sizes, "streaming")
            found.append(_Batch(frames, lengths, [data.tokens[i] for i, _ in kept]))
    if not any(tokens for batch in found for tokens in batch.tokens):
        raise UserError(
            f"{data.folder}: no usable utterance has a token, so there is no error "
            "rate: check its text"
        )
    if len(order) < len(data.names):
        logging.info("%d of %d utterances are used", len(order), len(data.names))
    return found


@torch.no_grad()
def _score(model: Any, batches: Sequence[_Batch]) -> tuple[float, float]:
    """Return the CTC loss per utterance and the token error rate in percent.

    Utterances with fewer frames than CTC needs count for the error rate only.
    """
    drop = sorted({model.sos, model.eos} - {0})
    total, used, errors, tokens = 0.0, 0, 0, 0
    for batch in batches:
        encoding = model.encoder.encode_frames(
            batch.frames, batch.lengths, mode="streaming"
        )
        scores = model.ctc.log_softmax(encoding)
        found = best_path(scores, batch.lengths, 0, drop)
        for row, (wanted, (said, _)) in enumerate(zip(batch.tokens, found)):
            errors += token_errors(wanted, said)
            tokens += len(wanted)
            frames = int(batch.lengths[row])
            if wanted and needed_frames(wanted) <= frames:
                used += 1
                total += float(
                    torch.nn.functional.ctc_loss(
                        scores[row, :frames],
                        torch.tensor(wanted),
                        torch.tensor(frames),
                        torch.tensor(len(wanted)),
                        reduction="sum",
                    )
                )
    return total / max(used, 1), 100.0 * errors / tokens


def shares_table(trials: ShareTrials) -> str:
    """Return the results as two Markdown tables."""
    words = (
        f"{trials.folder.name}, streaming, masked without further training: "
        f"{counted(trials.utterances, 'utterance')} of {trials.dev}, groups chosen by "
        f"{trials.criterion}."
    )
    share = f"{100 * trials.sparsity:g} %"
    return "\n\n".join(
        [
            words,
            "One kind at a time:",
            _table(trials.alone, trials.maskable),
            f"As many parameters as {share} of every kind, the lowest loss first:",
            _table(trials.together, trials.maskable),
        ]
    )


def _table(models: Sequence[MaskedModel], maskable: int) -> str:
    head = ("heads", "units", "channels", "parameters masked", "CTC loss", "errors %")
    lines = [head, ("---:",) * len(head)]
    for one in models:
        parts = asdict(one.shares).values()
        lines.append(
            (
                *(f"{100 * share:.3g} %" for share in parts),
                f"{100 * one.removed / maskable:.1f} %",
                f"{one.loss:.2f}",
                f"{one.token_error_rate:.1f}",
            )
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write_shares(folder: Path, trials: ShareTrials) -> list[Path]:
    """Write ``mask_shares`` as .md and .json.

    Args:
        folder: Output folder; it is created if necessary.
        trials: The results.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table, content = folder / f"{_STEM}.md", folder / f"{_STEM}.json"
    write_text(table, f"{shares_table(trials)}\n")
    facts = {**asdict(trials), "folder": str(trials.folder), "dev": str(trials.dev)}
    write_json(content, facts)
    return [table, content]
