"""Initialise the bias of a CTC layer with the frequencies of the tokens."""

import argparse
import random
from pathlib import Path
from typing import Callable, Iterable, Sequence

import torch

from espnet_plugin.data.frames import encoder_frames, feature_frames, input_layer_of
from espnet_plugin.data.front_end import hears_by_encoder
from espnet_plugin.files import read_pairs

__all__ = [
    "has_transcripts",
    "start_at_prior",
    "token_log_prior",
    "training_tokens",
]

# Encoders that take samples (Whisper, wav2vec 2.0 and similar) have 50 frames per
# second.
_SAMPLES_PER_FRAME = 320
_MOST_UTTERANCES = 5000  # more would hardly change the frequencies


def token_log_prior(
    tokens: Iterable[Sequence[int]], num_frames: int, vocab_size: int, blank: int = 0
) -> torch.Tensor:
    """Return the log-probability of each token in a frame.

    All frames without a token count as blank. This is about the best that a CTC layer
    can predict without acoustic information.

    Args:
        tokens: Token indices of each transcript.
        num_frames: Total number of encoder frames.
        vocab_size: Number of tokens, including the blank.
        blank: Index of the blank.

    Returns:
        Natural logarithms, ``(vocab_size,)``. Half an occurrence is added to each
        count.
    """
    counts = torch.full((vocab_size,), 0.5)
    for numbers in tokens:
        counts += torch.bincount(torch.tensor(numbers), minlength=vocab_size)
    counts[blank] = 0.0
    # At least a tenth, because CTC needs blanks between equal tokens.
    counts[blank] = max(num_frames - float(counts.sum()), 0.1 * num_frames)
    return (counts / counts.sum()).log()


def has_transcripts(args: argparse.Namespace) -> bool:
    """Return whether a training's options name transcripts and lengths.

    Args:
        args: Options of ESPnet's ASR task.
    """
    kinds = [(name, kind) for _, name, kind in args.train_data_path_and_name_and_type]
    return ("text", "text") in kinds and bool(args.train_shape_file)


def training_tokens(
    args: argparse.Namespace, tokenise: Callable[[str], Sequence[int]]
) -> tuple[list[Sequence[int]], int]:
    """Return the token indices and the number of encoder frames of the training data.

    A random sample of 5000 utterances is used if there are more.

    Args:
        args: Options of ESPnet's ASR task, with data and shape files.
        tokenise: Function from a transcript to token indices.

        Returns:
            The token indices of each transcript, and the total number of frames.
    """
    text = next(
        path
        for path, name, _ in args.train_data_path_and_name_and_type
        if name == "text"
    )
    texts = read_pairs(Path(text))
    lengths = read_pairs(Path(args.train_shape_file[0]))
    names = sorted(name for name in texts if name in lengths)
    if len(names) > _MOST_UTTERANCES:
        names = random.Random(0).sample(names, _MOST_UTTERANCES)
    layer, _ = input_layer_of(vars(args))
    hop = (args.frontend_conf or {}).get("hop_length", 128)
    frames = 0
    for name in names:
        length = int(lengths[name].split(",")[0])
        if hears_by_encoder(vars(args)):
            length //= _SAMPLES_PER_FRAME
        elif args.frontend is not None:
            length = feature_frames(length, hop)
        frames += encoder_frames(length, layer)
    return [tokenise(texts[name]) for name in names], frames


def start_at_prior(layer: torch.nn.Linear, log_prior: torch.Tensor) -> None:
    """Set the bias of a CTC layer; its weights stay random.

    ESPnet starts with a bias around zero. The first hundred updates then only teach the
    encoder the frequencies of the tokens, by an output that is the same in every frame.
    For some initial weights this takes 300 updates, and such trainings fail
    (benchmarks/training_failures.md). Source of this initialisation (for rare classes):
    Lin et al., "Focal Loss for Dense Object Detection" (ICCV 2017), section 4.1.

    Args:
        layer: ``model.ctc.ctc_lo`` of an ESPnet model.
        log_prior: Log-probability of each token, ``(vocab_size,)``.
    """
    with torch.no_grad():
        layer.bias.copy_(log_prior)
