"""Stage 2: from checked data folders to what ESPnet trains on."""

import hashlib
import io
import json
import logging
import os
import signal
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Collection, Optional

import numpy as np
import soundfile
import torch
import torchaudio

from espnet_plugin.data.audio import read_audio
from espnet_plugin.data.content import CACHE, Contents
from espnet_plugin.data.frames import ctc_frames_needed, encoder_frames, feature_frames
from espnet_plugin.data.kaldi import (
    DataDir,
    complain,
    file_name,
    read_data_dir,
    write_data_dir,
)
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.inputs import first_difference
from espnet_plugin.files import (
    read_json,
    read_pairs,
    write_bytes,
    write_json,
    write_lines,
)
from espnet_plugin.progress import progress
from espnet_plugin.text import clean_text, symbols_in

__all__ = [
    "FormatOptions",
    "check_symbols",
    "check_text",
    "format_set",
    "kaldi_fbank",
]

# Bad utterances that are named in the log; the others are in a file.
_SHOWN = 5
# Which tables hold the inputs and their lengths.
_TABLES = {
    "raw": ("wav.scp", "utt2num_samples"),
    "fbank": ("feats.scp", "feats_shape"),
}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FormatOptions:
    """How a set is written.

    Attributes:
        fs: Sampling rate in Hz that every file must have.
        feats_type: ``raw`` (ESPnet's own frontend computes features while training) or
            ``fbank`` (Kaldi log-mel filter banks, computed here once).
        speeds: Speed factors; 1.0 keeps the utterance, others add a copy each.
        min_seconds: Shorter training utterances are left out.
        max_seconds: Longer training utterances are left out.
        num_mel_bins: Bins of ``fbank``.
        hop_length: Samples between two feature frames, for the CTC length check.
        input_layer: The encoder's sub-sampling layer, for the same check.
        drop_bad: Leave bad utterances out instead of stopping at them.
        nj: Worker processes.
    """

    fs: int = 16000
    feats_type: str = "raw"
    speeds: tuple[float, ...] = (1.0,)
    min_seconds: float = 0.1
    max_seconds: float = 30.0
    num_mel_bins: int = 80
    hop_length: int = 160
    input_layer: Optional[str] = "conv2d"
    drop_bad: bool = False
    nj: int = 1

    def __post_init__(self):
        if self.feats_type not in ("raw", "fbank"):
            raise UserError(f"--feats_type {self.feats_type}: must be raw or fbank")
        if not self.speeds or 1.0 not in self.speeds or min(self.speeds) <= 0:
            raise UserError(
                f"--speed_perturb_factors {self.speeds}: positive factors, 1.0 included"
            )
        if not 0 <= self.min_seconds < self.max_seconds:
            raise UserError(
                f"--min_wav_duration {self.min_seconds} must be less than "
                f"--max_wav_duration {self.max_seconds}"
            )


def kaldi_fbank(samples: np.ndarray, fs: int, num_mel_bins: int) -> np.ndarray:
    """Return Kaldi's log-mel filter banks, ``(frames, num_mel_bins)`` float32.

    Without dither, so that features are the same every time; on the 16-bit scale, as
    Kaldi and sherpa-onnx compute them.
    """
    features = torchaudio.compliance.kaldi.fbank(
        torch.from_numpy(samples)[None] * 32768.0,
        num_mel_bins=num_mel_bins,
        sample_frequency=fs,
        dither=0.0,
        snip_edges=False,
    )
    return features.numpy()


def check_text(
    text: dict[str, str], tokenize: Callable[[str], list[str]], known: set[str]
) -> dict[str, str]:
    """Return what is wrong with transcripts, by utterance: unknown characters."""
    problems = {}
    for utt, words in text.items():
        unknown = sorted(set(tokenize(words)) - known)
        if unknown:
            problems[utt] = f"{words!r} has {unknown}, which the token list lacks"
    return problems


def check_symbols(text: dict[str, str], listed: Collection[str]) -> dict[str, str]:
    """Return transcripts with a symbol that would be spelled as letters, by utterance.

    Args:
        text: Transcripts.
        listed: Non-linguistic symbols that are tokens of their own. With a bracket
            alone among them, brackets are characters like others.
    """
    problems = {}
    for utt, words in text.items():
        found = sorted(set(symbols_in(words)) - set(listed))
        found = [symbol for symbol in found if symbol[0] not in listed]
        if found:
            problems[utt] = (
                f"{words!r} has {', '.join(found)}, which would be spelled: name it in "
                "the file of --nlsyms, one symbol a line, or take it out"
            )
    return problems


def format_set(
    source: Path,
    target: Path,
    options: FormatOptions,
    tokenize: Callable[[str], list[str]],
    known_tokens: Optional[set[str]] = None,
    training: bool = False,
    labelled: bool = True,
    symbols: Optional[Collection[str]] = None,
    form: str = "NFC",
) -> None:
    """Check every utterance of ``source`` and write it to ``target``.

    Nothing is redone when ``target`` was finished from the same tables and options.

    Args:
        source: A Kaldi data folder.
        target: The dump folder of this set.
        options: How to write it.
        tokenize: Transcript to tokens.
        known_tokens: If given, transcripts with other tokens are an error.
        training: Apply speed factors, the length filter and the CTC length check.
        labelled: The set has transcripts.
        symbols: If given, transcripts with other symbols in brackets are an error.
        form: Unicode's normal form in which transcripts are written.

    Raises:
        UserError: If an utterance is unusable (unless ``options.drop_bad``) or none is
            left.
    """
    data = read_data_dir(source, labelled)
    if form != "NFC":
        data.text = {utt: clean_text(words, form) for utt, words in data.text.items()}
    problems = check_text(data.text, tokenize, known_tokens) if known_tokens else {}
    if symbols is not None:
        problems.update(check_symbols(data.text, symbols))
    # What nobody trains on may be too fast for CTC, but must give a frame.
    needed = {
        utt: ctc_frames_needed(tokenize(data.text[utt])) if training and labelled else 1
        for utt in (data.text if labelled else data.audio)
    }
    stamp = {"digest": _digest(data, options, training, needed, problems)}
    done = target / "done.json"
    known = read_json(done) if done.is_file() else None
    # The files' sizes stand for their content there, as in earlier versions, which
    # noted no more.
    contents = Contents(target / CACHE)
    if known != stamp:
        stamp["audio"] = _content(data, contents)
        contents.save()
    lost = _lost(target, options, labelled) if known == stamp else None
    if known == stamp and lost is None:
        logger.info("%s is finished already", target)
        return
    if known is None:
        why = "is new"
    elif lost is not None:
        why = f"is written again: {lost} is missing"
    elif known.get("digest") != stamp["digest"]:
        why = "is written again: its tables, its options or the tokens are others"
    else:
        why = f"is written again: another {first_difference(known, stamp)}"
    logger.info("%s %s", target, why)
    done.unlink(missing_ok=True)
    speeds = options.speeds if training else (1.0,)
    if training:
        limits = (options.min_seconds, options.max_seconds)
    else:
        limits = (0.0, float("inf"))
    jobs = [
        (
            utt,
            (data.audio[utt], data.segments.get(utt)),
            speed,
            str(target),
            options,
            limits,
            needed[utt],
        )
        for utt in sorted(data.audio)
        if utt not in problems
        for speed in speeds
    ]
    (target / "data").mkdir(parents=True, exist_ok=True)
    bad_list = target / "bad_utterances.txt"
    out, lengths, too_long, short = DataDir({}, {}, {}), {}, [], []
    with ProcessPoolExecutor(max(1, options.nj), initializer=_one_thread) as pool:
        results = pool.map(_format_one, jobs, chunksize=16)
        results = progress(results, len(jobs), f"utterances of {target.name}")
        for (utt, _, speed, *_), one in zip(jobs, results):
            name = utt if speed == 1.0 else f"sp{speed:g}-{utt}"
            if one.problem == "length":
                too_long.append(name)
            elif one.problem:
                # A faster copy too short for its text is no fault of the corpus.
                if speed == 1.0:
                    problems[utt] = one.problem
                    if one.frames is not None:
                        short.append((one.frames, needed[utt]))
                continue
            else:
                out.audio[name], lengths[name] = one.path, one.length
                if labelled:
                    out.text[name] = data.text[utt]
                # As Kaldi and ESPnet do: a perturbed voice is another speaker.
                prefix = "" if speed == 1.0 else f"sp{speed:g}-"
                out.utt2spk[name] = prefix + data.utt2spk[utt]
    if problems and not options.drop_bad:
        raise complain(
            str(source),
            problems,
            "Correct or remove them, or give --bad_utterances drop to leave them out."
            + _finer_layers(short),
            listed_in=bad_list,
        )
    if problems:
        _leave_out(problems, bad_list)
    else:
        bad_list.unlink(missing_ok=True)
    for utt in problems:
        for table in (out.audio, out.text, out.utt2spk, lengths):
            for speed in speeds:
                table.pop(utt if speed == 1.0 else f"sp{speed:g}-{utt}", None)
    if too_long:
        logger.warning(
            "%d utterance(s) of %s left out, not within %g to %g s: %s ...",
            len(too_long),
            source,
            *limits,
            " ".join(too_long[:5]),
        )
    if not out.audio:
        raise UserError(f"{source}: no usable utterance is left")
    _write(target, out, lengths, options)
    write_json(done, stamp)


def _lost(target: Path, options: FormatOptions, labelled: bool) -> Optional[str]:
    """Return the first file of a set that was written and is not there any more."""
    scp, *others = _TABLES[options.feats_type]
    tables = [scp, *others, "utt2spk", "feats_type", *(["text"] if labelled else [])]
    for table in tables:
        if not (target / table).is_file():
            return str(target / table)
    files = read_pairs(target / scp).values()
    return next((file for file in files if not os.path.isfile(file)), None)


def _leave_out(problems: dict[str, str], listed_in: Path) -> None:
    write_lines(listed_in, (f"{utt} {what}" for utt, what in problems.items()))
    for utt, what in list(problems.items())[:_SHOWN]:
        logger.warning("%s left out: %s", utt, what)
    if len(problems) > _SHOWN:
        logger.warning(
            "%d utterances left out, all of them in %s", len(problems), listed_in
        )


def _finer_layers(short: list[tuple[int, int]]) -> str:
    """Say what would make room for transcripts.

    Args:
        short: Feature frames of an utterance and the frames that CTC needs.
    """
    if not short:
        return ""
    fits = {
        layer: sum(encoder_frames(frames, layer) >= needed for frames, needed in short)
        for layer in ("conv2d2", "conv2d1")
    }
    return (
        f" {len(short)} are too short for the frame rate of the encoder: with "
        "encoder_conf.input_layer: "
        + ", with ".join(f"{name} {n} of them fit" for name, n in fits.items())
        + "; larger tokens (--token_type bpe) need fewer frames."
    )


def _write(target: Path, data: DataDir, lengths: dict[str, int], options) -> None:
    raw = options.feats_type == "raw"
    write_data_dir(target, data)
    scp, name = _TABLES[options.feats_type]
    if not raw:
        os.replace(target / "wav.scp", target / scp)
    suffix = "" if raw else f",{options.num_mel_bins}"
    write_lines(target / name, (f"{u} {lengths[u]}{suffix}" for u in sorted(lengths)))
    write_lines(target / "feats_type", [options.feats_type])


def _digest(data: DataDir, options: FormatOptions, *others) -> str:
    # Its content is noted beside this, see :func:`_content`.
    sizes = {
        u: os.path.getsize(p) if os.path.isfile(p) else -1
        for u, p in data.audio.items()
    }
    settings = {k: v for k, v in vars(options).items() if k != "nj"}
    content = [data.audio, sizes, data.text, data.utt2spk, settings, others]
    if data.segments:
        content.append({utt: vars(segment) for utt, segment in data.segments.items()})
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _content(data: DataDir, contents: Contents) -> str:
    """Return a digest of all audio; what cannot be read is found bad later on."""
    whole = hashlib.sha256()
    for path in sorted({p for p in data.audio.values() if os.path.isfile(p)}):
        whole.update(f"{path}\t{contents.file(path)}\n".encode())
    return whole.hexdigest()


def _one_thread() -> None:
    torch.set_num_threads(1)
    # Ctrl-C reaches every process; the parent's word on it is enough.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@dataclass(frozen=True)
class _Formatted:
    """One utterance written, or what is wrong with it.

    Attributes:
        path: Its file.
        length: Samples, or frames of features.
        problem: None if it was written; "length" if it is to be left out.
        frames: Feature frames, where they are too few for the transcript.
    """

    path: str = ""
    length: int = 0
    problem: Optional[str] = None
    frames: Optional[int] = None


def _format_one(job) -> _Formatted:
    utt, (path, segment), speed, target, options, (shortest, longest), needed = job
    start, end = (0.0, -1) if segment is None else (segment.start, segment.end)
    try:
        samples = read_audio(path, options.fs, start, None if end == -1 else end)
    except UserError as error:
        return _Formatted(problem=str(error))
    if speed != 1.0:
        wave, _ = torchaudio.functional.speed(
            torch.from_numpy(samples), options.fs, speed
        )
        samples = wave.numpy()
    if not shortest <= len(samples) / options.fs <= longest:
        return _Formatted(problem="length")
    features = None
    inputs = feature_frames(len(samples), options.hop_length)
    if options.feats_type == "fbank":
        features = kaldi_fbank(samples, options.fs, options.num_mel_bins)
        inputs = len(features)
    frames = encoder_frames(inputs, options.input_layer)
    if needed > frames:
        return _Formatted(
            problem=f"{len(samples) / options.fs:.2f} s give {frames} frames after "
            f"{options.input_layer or 'the front end'}, CTC needs {needed} for its "
            "transcript",
            frames=inputs,
        )
    if features is None and speed == 1.0 and segment is None:
        return _Formatted(path, len(samples))
    name = file_name(utt if speed == 1.0 else f"sp{speed:g}-{utt}")
    # In memory first, so that a full disk leaves no half file that looks whole.
    content = io.BytesIO()
    if features is not None:
        np.save(content, features)
        file, length = Path(target, "data", f"{name}.npy"), len(features)
    else:
        soundfile.write(content, samples, options.fs, format="FLAC", subtype="PCM_16")
        file, length = Path(target, "data", f"{name}.flac"), len(samples)
    write_bytes(file, content.getvalue())
    return _Formatted(str(file), length)
