"""Best-path (greedy) CTC decoding, with files in the format of ESPnet's inference."""

from pathlib import Path
from typing import Iterable, NamedTuple, Sequence, Union

import torch

from espnet_plugin.files import write_lines

__all__ = ["FILES", "Hypothesis", "best_path", "is_finished", "write_hypotheses"]

# "text" is written last: if it exists, all files do.
FILES = ("token", "token_int", "score", "text")


class Hypothesis(NamedTuple):
    """The recognised text of one utterance.

    Attributes:
        utt_id: Id of the utterance.
        text: Words separated by spaces; for a model without tokenizer, the tokens.
        tokens: Token symbols.
        token_ids: Token indices.
        score: Natural log-probability of the alignment.
    """

    utt_id: str
    text: str
    tokens: Sequence[str]
    token_ids: Sequence[int]
    score: float


def best_path(
    log_probs: torch.Tensor,
    lengths: torch.Tensor,
    blank: int = 0,
    drop: Sequence[int] = (),
) -> list[tuple[list[int], float]]:
    """Take the best token of each frame, collapse repeats and remove blanks.

    The result is the most probable alignment, which need not be the most probable text.
    This is the cheapest CTC decoding and the one that devices use. Source: Graves et
    al., "Connectionist Temporal Classification" (ICML 2006), section 3.2, "best path
    decoding".

    Args:
        log_probs: Log-softmax of the CTC layer, ``(batch, frames, vocab)``.
        lengths: Valid frames of each utterance, ``(batch,)``; padding is ignored.
        blank: Index of the blank.
        drop: Further tokens to leave out after collapsing, e.g. ``<sos/eos>``.

    Returns:
        For each utterance its token indices and its score: the sum over the valid
        frames of the largest log-probability, i.e. the log-probability of the best
        alignment. It is a lower bound for the log-probability of the text, which
        includes all alignments, and 0 for an utterance without frames.

    Raises:
        ValueError: If the shapes do not agree, a length exceeds the frames, or
            ``blank`` is not in the vocabulary.
    """
    if log_probs.dim() != 3:
        raise ValueError(
            f"log_probs must be (batch, frames, vocab), not {tuple(log_probs.shape)}"
        )
    batch, frames, vocab = log_probs.shape
    if lengths.shape != (batch,):
        raise ValueError(
            f"lengths must be ({batch},) for {batch} utterances, "
            f"not {tuple(lengths.shape)}"
        )
    if batch == 0:
        return []
    if int(lengths.max()) > frames or int(lengths.min()) < 0:
        raise ValueError(
            f"lengths must lie between 0 and the {frames} frames, "
            f"not {lengths.tolist()}"
        )
    if not 0 <= blank < vocab:
        raise ValueError(f"blank {blank} is not one of the {vocab} tokens")
    if frames == 0:
        return [([], 0.0) for _ in range(batch)]
    scores, tokens = log_probs.max(dim=-1)
    valid = torch.arange(frames, device=lengths.device) < lengths[:, None]
    valid = valid.to(scores.device)
    # In double precision, because the sum of many float32 depends on the padding.
    totals = scores.double().masked_fill(~valid, 0.0).sum(dim=1)
    keep = valid & (tokens != blank)
    keep[:, 1:] &= tokens[:, 1:] != tokens[:, :-1]
    for token in drop:
        keep &= tokens != token
    # One transfer for the batch: reading frame by frame would stall a GPU.
    tokens, keep, totals = tokens.cpu(), keep.cpu(), totals.tolist()
    return [
        (row[kept].tolist(), total) for row, kept, total in zip(tokens, keep, totals)
    ]


def write_hypotheses(directory: Union[str, Path], utts: Iterable[Hypothesis]) -> None:
    """Write ``text``, ``token``, ``token_int`` and ``score``, each atomically.

    The format is that of the folder ``1best_recog`` of ``espnet2.bin.asr_inference``:
    one line per utterance with its id, a space and the value, which may be empty. The
    score is a plain number (ESPnet's may be ``tensor(-1.5)``).

    Args:
        directory: Output folder; it is created if necessary.
        utts: The utterances in the order of the lines.
    """
    utts = list(utts)
    values = {
        "text": lambda utt: utt.text,
        "token": lambda utt: " ".join(utt.tokens),
        "token_int": lambda utt: " ".join(map(str, utt.token_ids)),
        "score": lambda utt: str(float(utt.score)),
    }
    for name in FILES:
        lines = (f"{utt.utt_id} {values[name](utt)}" for utt in utts)
        write_lines(Path(directory) / name, lines)


def is_finished(directory: Union[str, Path], model_file: Union[str, Path]) -> bool:
    """Return whether ``directory`` has all files, and none is older than the model."""
    newest = Path(model_file).stat().st_mtime
    paths = [Path(directory) / name for name in FILES]
    return all(path.is_file() and path.stat().st_mtime >= newest for path in paths)
