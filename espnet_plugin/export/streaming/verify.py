"""Check that an exported streaming model gives the same results as torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

import numpy as np

from espnet_plugin.errors import UserError
from espnet_plugin.export.finite import check_finite
from espnet_plugin.export.ports import TOLERANCE
from espnet_plugin.export.reference import best_tokens
from espnet_plugin.export.scripts import load_script
from espnet_plugin.export.streaming.front_end import framing_of, stock_features
from espnet_plugin.export.streaming.reference import torch_stream
from espnet_plugin.export.streaming.source import StreamingSource
from espnet_plugin.measure.workload import speech_like_noise

__all__ = ["StreamParity", "check_stream", "made_up"]


@dataclass(frozen=True)
class StreamParity:
    """Differences between the exported model and torch on artificial audio.

    Attributes:
        lengths: Samples of the utterances.
        frames: Encoder frames that were compared, of all together.
        max_difference: Largest difference of two log-probabilities.
        by_chunk: The same for each of the first chunks, in order.
        same_tokens: Utterances with the same recognised tokens: all.
    """

    lengths: tuple[int, ...]
    frames: int
    max_difference: float
    by_chunk: tuple[float, ...]
    same_tokens: int


def made_up(source: StreamingSource) -> dict[int, np.ndarray]:
    """Return artificial utterances by length: empty, too short, and longer."""
    chunk, left, ahead = source.chunking
    embed, hop = source.encoder.embed, source.facts.hop
    framing = framing_of(source)
    one = framing.size + (embed.span - 1) * hop
    step = embed.stride * hop
    several = left // chunk + 3
    lengths = [
        *(0, 1, framing.least - 1, framing.least, one),
        one + step * (chunk // 2),
        one + step * (chunk + max(ahead - 1, 0)),
        one + step * (chunk * 2 + ahead) + 1,
        one + step * (chunk * several + chunk - 1) + hop // 3,
    ]
    return {
        count: speech_like_noise(
            source.facts.sample_rate, count / source.facts.sample_rate, seed
        ).numpy()
        / 2 ** (seed % 3)
        for seed, count in enumerate(sorted({n for n in lengths if n >= 0}))
        if count
    } | {0: np.zeros(0, np.float32)}


def check_stream(source: StreamingSource, folder: Path) -> StreamParity:
    """Compare the runner of a folder with torch on utterances of several lengths.

    The script is the folder's own. Its input is cut into blocks of different sizes.

    Raises:
        UserError: If frames, tokens or log-probabilities differ.
    """
    runner = load_script(folder / "recognise.py").Recogniser(folder)
    by_chunk: list[float] = []
    frames, same = 0, 0
    audio = made_up(source)
    for count, samples in audio.items():
        expected = torch_stream(source, stock_features(source, samples))
        runner.reset()
        blocks = list(_blocks(samples))
        found = [runner.log_probs(block) for block in blocks]
        found = np.concatenate([*found, runner.log_probs(samples[:0], last=True)])
        if expected.shape != found.shape:
            raise UserError(
                f"the exported model gives {len(found)} frames for {count} samples, "
                f"but torch gives {len(expected)}; nothing was written"
            )
        check_finite(found, f"{count} samples")
        frames += len(found)
        difference = np.abs(expected - found).max(axis=1, initial=0.0)
        for number, start in enumerate(range(0, len(found), source.chunking.chunk)):
            largest = float(difference[start : start + source.chunking.chunk].max())
            if number == len(by_chunk):
                by_chunk.append(0.0)
            by_chunk[number] = max(by_chunk[number], largest)
        runner.reset()
        for block in blocks:
            runner.accept(block)
        runner.accept(samples[:0], last=True)
        if runner.tokens == best_tokens(expected, source.facts):
            same += 1
    if max(by_chunk) > TOLERANCE:
        raise UserError(
            "the exported model gives different results from torch: "
            f"log-probabilities differ by up to {max(by_chunk):.2g} (at most "
            f"{TOLERANCE:g} is allowed); nothing was written"
        )
    if same < len(audio):
        raise UserError(
            "the exported model recognises different tokens from torch in "
            f"{len(audio) - same} of {len(audio)} synthetic utterances; nothing was "
            "written"
        )
    return StreamParity(tuple(audio), frames, max(by_chunk), tuple(by_chunk), same)


def _blocks(samples: np.ndarray) -> Iterator[np.ndarray]:
    """Cut an utterance into blocks of several sizes, also of none and one."""
    sizes, start, number = (1600, 1, 0, 777, 4001), 0, 0
    while start < len(samples):
        size = sizes[number % len(sizes)]
        yield samples[start : start + size]
        start, number = start + size, number + 1
