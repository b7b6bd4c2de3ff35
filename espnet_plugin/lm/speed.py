"""Measure the time of a language model per token in a beam search."""

import statistics
import time

import torch
from espnet2.lm.espnet_model import ESPnetLanguageModel

__all__ = ["ms_per_token"]


@torch.inference_mode()
def ms_per_token(
    model: ESPnetLanguageModel, tokens: int = 50, beam: int = 1, runs: int = 7
) -> float:
    """Measure ESPnet's step of a beam search on one thread.

    Args:
        model: The model; left in evaluation mode.
        tokens: Final length of the hypotheses; each step adds one token.
        beam: Number of hypotheses that are scored together.
        runs: Number of measurements, after one for warming up.

    Returns:
        Milliseconds for adding one token to each hypothesis, the median of the runs.
    """
    model.eval()
    threads = torch.get_num_threads()
    times = []
    try:
        torch.set_num_threads(1)
        for run in range(runs + 1):
            hypotheses = torch.full((beam, 1), model.sos)
            states = [None] * beam
            start = time.perf_counter()
            for step in range(tokens):
                scores, states = model.lm.batch_score(hypotheses, states, None)
                best = scores[:, 1:].argmax(dim=1, keepdim=True) + 1
                hypotheses = torch.cat([hypotheses, best], dim=1)
            if run:
                times.append((time.perf_counter() - start) / tokens * 1000)
    finally:
        torch.set_num_threads(threads)
    return statistics.median(times)
