"""Decode sets with a model: from audio to the files that scoring reads."""

import argparse
import logging
from functools import partial
from pathlib import Path
from typing import Any, Callable, Iterator, Optional, Sequence, Union

import torch
from espnet2.asr.espnet_model import ESPnetASRModel
from espnet2.tasks.asr import ASRTask
from espnet2.text.build_tokenizer import build_tokenizer
from espnet2.text.token_id_converter import TokenIDConverter
from espnet2.train.dataset import ESPnetDataset

from espnet_plugin.checkpoints.audio_scale import sample_factor
from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.checkpoints.tokenizer import check_bpemodel
from espnet_plugin.decode.batches import (
    attention_bytes,
    available_memory,
    batches_within,
    check_fits,
    frames_of,
)
from espnet_plugin.decode.best_path import Hypothesis, best_path, write_hypotheses
from espnet_plugin.decode.posteriors import encode_alone, log_posteriors
from espnet_plugin.decode.prefix import prefix_search
from espnet_plugin.decode.record import forget_decoded, note_decoded
from espnet_plugin.decode.sets import DecodeSet, WaitingSet, waiting_sets
from espnet_plugin.dual_mode.transducer import GreedySearch
from espnet_plugin.errors import UserError
from espnet_plugin.files import read_pairs
from espnet_plugin.progress import progress

__all__ = ["METHODS", "decode_model"]

METHODS = ("best_path", "prefix", "transducer")
# From the samples or features of a batch to number of frames, token indices and score
# of each utterance.
Search = Callable[[list[torch.Tensor]], list[tuple[int, list[int], float]]]


def decode_model(
    config: Union[str, Path],
    checkpoint: Union[str, Path],
    sets: Sequence[Union[DecodeSet, tuple]],
    *,
    method: str = "best_path",
    batch_size: int = 16,
    num_threads: Optional[int] = None,
    ngpu: int = 0,
    overwrite: bool = False,
    digests: Optional[Path] = None,
) -> list[Path]:
    """Decode ``sets`` with one model; finished sets are not decoded again.

    Args:
        config: Path of the model's ``config.yaml``.
        checkpoint: Path of its checkpoint.
        sets: The sets, or tuples of their fields.
        method: ``best_path``, or ``prefix`` for ESPnet's own prefix search with beam 1
            (slow: one step of the search per token), or ``transducer`` for the greedy
            search of a model that has one.
        batch_size: Utterances per batch in best-path decoding; their texts do not
            depend on it.
        num_threads: Threads of torch on the CPU; not changed if None.
        ngpu: 1 to decode on a GPU.
        overwrite: Whether finished sets are decoded again.
        digests: File with checksums of the audio from earlier runs; None: compute them.

    Returns:
        The folder of each set.

    Raises:
        UserError: If an option, a file or the model is wrong.
    """
    _check_options(method, batch_size, num_threads, ngpu)
    sets = [DecodeSet(*item) for item in sets]
    waiting = waiting_sets(config, checkpoint, sets, method, overwrite, digests)
    if not waiting:
        return [Path(item.output_dir) for item in sets]
    device = "cuda" if ngpu > 0 else "cpu"
    threads = torch.get_num_threads()
    try:
        if num_threads is not None:
            torch.set_num_threads(num_threads)
        model, train_args = load_asr_model(config, checkpoint, device)
        if train_args.use_preprocessor:
            check_bpemodel(train_args, config)
        _check_method(method, model, config)
        for one in waiting:
            folder, data = one.item.output_dir, one.data
            # Removed first, so that an interrupted run does not leave a mixture.
            forget_decoded(folder)
            factor = sample_factor(Path(config).parent, vars(train_args), data)
            if method == "prefix":
                _check_scale(factor, data, config)
                prefix_search(data, one.keys, train_args, checkpoint, folder, ngpu)
            else:
                search = _search_of(method, model)
                utts = _decode_set(one, search, model, train_args, batch_size, factor)
                write_hypotheses(folder, utts)
            note_decoded(folder, one.inputs)
            logging.info("%s: decoded into %s", one.item.name, folder)
    finally:
        torch.set_num_threads(threads)
    return [Path(item.output_dir) for item in sets]


def _check_options(
    method: str, batch_size: int, num_threads: Optional[int], ngpu: int
) -> None:
    if method not in METHODS:
        raise UserError(f"--method {method}: choose from {', '.join(METHODS)}")
    if batch_size < 1:
        raise UserError(f"--batch_size {batch_size}: must be at least 1 utterance")
    if num_threads is not None and num_threads < 1:
        raise UserError(f"--num_threads {num_threads}: must be at least 1")
    if ngpu > 0 and not torch.cuda.is_available():
        raise UserError(
            f"--ngpu {ngpu}: torch finds no GPU on this machine; use --ngpu 0"
        )


def _check_method(method: str, model: ESPnetASRModel, config: Union[str, Path]) -> None:
    """Check that the model has the part with which the method decodes."""
    if method == "transducer" and not model.use_transducer_decoder:
        raise UserError(
            f"{config}: the model has no transducer; use --method best_path"
        )
    if method != "transducer" and model.ctc is None:
        raise UserError(
            f"{config}: ctc_weight 0: the model has no CTC layer to decode with"
        )


def _check_scale(
    factor: float, data: tuple[str, str, str], config: Union[str, Path]
) -> None:
    """Check that samples have the model's scale, which ESPnet's search needs."""
    if factor != 1.0:
        raise UserError(
            f"--method prefix: {data[0]} has samples {1 / factor:g} times as "
            f"large as those that {config} was trained on: use --method "
            "best_path"
        )


def _search_of(method: str, model: ESPnetASRModel) -> Search:
    """Return the function that decodes a batch of utterances."""
    if method == "transducer":
        return partial(_search_batch, model)
    # Not part of any text; ESPnet removes them too.
    drop = sorted({model.sos, model.eos} - {0})
    return partial(_best_path_batch, model, drop)


def _best_path_batch(model, drop, speech) -> list[tuple[int, list[int], float]]:
    """Return number of frames, token indices and score of each utterance."""
    log_probs, lengths = log_posteriors(model, speech)
    found = best_path(log_probs, lengths, drop=drop)
    return [(frames, *one) for frames, one in zip(lengths.tolist(), found)]


def _search_batch(model, speech) -> list[tuple[int, list[int], float]]:
    search = GreedySearch(model.decoder, model.joint_network, model.blank_id)
    encodings = encode_alone(model, speech)
    return [(len(one), *search.advance(one)[:2]) for one in encodings]


def _decode_set(
    one: WaitingSet,
    search: Search,
    model: ESPnetASRModel,
    train_args: argparse.Namespace,
    batch_size: int,
    factor: float,
) -> list[Hypothesis]:
    name, data, keys = one.item.name, [one.data], one.keys
    dataset = ESPnetDataset(
        data, preprocess=ASRTask.build_preprocess_fn(train_args, False)
    )
    convert = TokenIDConverter(token_list=model.token_list)
    tokenizer = _tokenizer(train_args)
    needed = _memory_needed(data, keys, dataset, vars(train_args))
    if next(model.parameters()).device.type == "cpu":
        for longest in list(needed)[:1]:
            check_fits(name, longest, needed[longest], available_memory())
    batches = batches_within(needed, batch_size)
    done: dict[str, Hypothesis] = {}
    for key in progress(
        _decode_batches(batches, dataset, factor, search, convert, tokenizer, done),
        len(keys),
        f"utterances of {name}",
    ):
        if not done[key].token_ids:
            logging.debug("%s: nothing was recognised", key)
    return [done[key] for key in keys]


def _decode_batches(
    batches, dataset, factor, search, convert, tokenizer, done
) -> Iterator[str]:
    for batch in batches:
        speech = [_read(dataset, key) for key in batch]
        if factor != 1.0:
            speech = [one * factor for one in speech]
        for key, (frames, token_ids, score) in zip(batch, search(speech)):
            if frames == 0:
                logging.warning("%s: too short for the model; its text is empty", key)
            tokens = convert.ids2tokens(token_ids)
            text = tokenizer.tokens2text(tokens) if tokenizer else " ".join(tokens)
            done[key] = Hypothesis(key, text, tokens, token_ids, score)
            yield key


def _read(dataset: ESPnetDataset, key: str) -> torch.Tensor:
    try:
        _, data = dataset[key]
    except Exception as error:  # of soundfile, kaldiio or numpy
        raise UserError(
            f"utterance {key} cannot be read: {error}: repair it, or remove it from "
            "the list"
        ) from error
    speech = torch.as_tensor(data["speech"])
    # Front ends do not accept integers, as which 16-bit samples in archives are read.
    return speech if speech.is_floating_point() else speech.float()


def _tokenizer(train_args: argparse.Namespace):
    """Build the tokenizer that turns tokens into text, as ``asr_inference`` does."""
    token_type = getattr(train_args, "token_type", None)
    bpemodel = getattr(train_args, "bpemodel", None)
    if token_type is None:
        return None
    if token_type == "bpe":
        return build_tokenizer("bpe", bpemodel=bpemodel) if bpemodel else None
    if token_type == "hugging_face" or "whisper" in token_type:
        raise UserError(
            f"token_type {token_type}: best-path decoding only supports char, word, "
            "phn and bpe; use --method prefix"
        )
    return build_tokenizer(token_type=token_type)


def _memory_needed(
    data: Sequence[tuple[str, str, str]],
    keys: Sequence[str],
    dataset: ESPnetDataset,
    config: dict[str, Any],
) -> dict[str, int]:
    """Return the memory of attention in bytes, with the longest utterance first.

    In this order, a lack of memory shows at once.
    """
    sizes = _lengths(data, keys, dataset)
    return {
        key: attention_bytes(config, frames_of(config, *sizes[key]))
        for key in sorted(keys, key=lambda key: -sizes[key][0])
    }


def _lengths(
    data: Sequence[tuple[str, str, str]], keys: Sequence[str], dataset: ESPnetDataset
) -> dict[str, tuple[int, bool]]:
    """Return the length of each utterance, and whether it is in samples."""
    folder = Path(data[0][0]).parent
    for name in ("utt2num_samples", "utt2num_frames"):
        if (folder / name).is_file():
            table = read_pairs(folder / name)
            if all(table.get(key, "").isdecimal() for key in keys):
                samples = name == "utt2num_samples"
                return {key: (int(table[key]), samples) for key in keys}
    read = ((key, _read(dataset, key)) for key in keys)
    return {key: (len(one), one.dim() == 1) for key, one in read}
