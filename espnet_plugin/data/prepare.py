"""Stage 2: from a checked data folder to a set that ESPnet trains on."""

import logging
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Callable, Collection, Optional, Self, Sequence

from espnet_plugin.counted import counted
from espnet_plugin.data.formatted_set import tables_digest, write_set
from espnet_plugin.data.frames import ctc_frames_needed, encoder_frames
from espnet_plugin.data.kaldi import DataDir, complain, read_data_dir
from espnet_plugin.data.last_seen import note_seen
from espnet_plugin.data.set_record import SetRecord, record_now, why_prepare
from espnet_plugin.data.transcripts import check_symbols, check_text
from espnet_plugin.data.utterance import (
    FormatOptions,
    Formatted,
    Utterance,
    format_utterance,
    one_thread,
    speed_prefix,
)
from espnet_plugin.errors import UserError
from espnet_plugin.files import write_lines
from espnet_plugin.progress import progress
from espnet_plugin.text import clean_text

__all__ = ["format_set"]

# Number of bad utterances named in the log; a file lists all of them.
_SHOWN = 5
logger = logging.getLogger(__name__)


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
        tokenize: Converts a transcript to tokens.
        known_tokens: If given, transcripts with other tokens are an error.
        training: Whether to apply speed factors, the length filter and the CTC length
            check.
        labelled: Whether the set has transcripts.
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
    if training:
        _refuse_names_of_copies(source, data, options.speeds)
    # Sets that are not trained on may be too fast for CTC, but must give a frame.
    needed = {
        utt: ctc_frames_needed(tokenize(data.text[utt])) if training and labelled else 1
        for utt in (data.text if labelled else data.audio)
    }
    done = target / "done.json"
    known = SetRecord.read(done)
    digest = tables_digest(data, options, training, needed, problems)
    now = record_now(target, known, data, digest, options)
    why = why_prepare(done, known, now, options, labelled)
    if why is None:
        logger.info("%s is already finished", target)
        # Later stages warn about tables that are newer than this time.
        note_seen(target)
        return
    logger.info("%s %s", target, why)
    done.unlink(missing_ok=True)
    allowed = _Allowed.of(options) if training else _Allowed()
    made = _format_all(data, target, options, allowed, needed, problems)
    other_case = partial(_other_case, data.text, tokenize, known_tokens)
    _check_made(made, source, target, options, allowed, other_case)
    write_set(target, made.tables, made.lengths, options)
    now.write(done)
    note_seen(target)


@dataclass(frozen=True)
class _Allowed:
    """The copies and the lengths that a set may have.

    Attributes:
        speeds: Speed factors, including 1.0.
        limits: Shortest and longest duration in seconds.
    """

    speeds: Sequence[float] = (1.0,)
    limits: tuple[float, float] = (0.0, float("inf"))

    @classmethod
    def of(cls, options: FormatOptions) -> Self:
        """Return what a training set may have."""
        return cls(options.speeds, (options.min_seconds, options.max_seconds))


def _format_all(
    data: DataDir,
    target: Path,
    options: FormatOptions,
    allowed: _Allowed,
    needed: dict[str, int],
    problems: dict[str, str],
) -> "_Made":
    """Write the audio of all utterances but those with ``problems``."""
    utterances = [
        Utterance(
            *(utt, data.audio[utt], data.segments.get(utt), speed),
            *(target, options, allowed.limits, needed[utt]),
        )
        for utt in sorted(data.audio)
        if utt not in problems
        for speed in allowed.speeds
    ]
    (target / "data").mkdir(parents=True, exist_ok=True)
    made = _Made(problems)
    with ProcessPoolExecutor(max(1, options.nj), initializer=one_thread) as pool:
        results = pool.map(format_utterance, utterances, chunksize=16)
        results = progress(results, len(utterances), f"utterances of {target.name}")
        for one, result in zip(utterances, results):
            made.add(one, result, data)
    return made


def _check_made(
    made: "_Made",
    source: Path,
    target: Path,
    options: FormatOptions,
    allowed: _Allowed,
    other_case: Callable[[], str],
) -> None:
    """Leave bad utterances out if the options say so, and say what is left out.

    Raises:
        UserError: If there are bad utterances and they are an error, or none is left.
    """
    problems = made.problems
    bad_list = target / "bad_utterances.txt"
    if problems and not options.drop_bad:
        raise complain(
            str(source),
            problems,
            "Correct or remove these utterances, or give --bad_utterances drop to "
            "leave them out." + _finer_layers(made.short) + other_case(),
            listed_in=bad_list,
        )
    if problems:
        _leave_out(problems, bad_list)
        made.remove(problems, allowed.speeds)
    else:
        bad_list.unlink(missing_ok=True)
    if made.too_long:
        logger.warning(
            "%d utterance(s) of %s left out, because they are not between %g and %g "
            "s long: %s ...",
            len(made.too_long),
            source,
            *allowed.limits,
            " ".join(made.too_long[:5]),
        )
    if not made.tables.audio:
        way_out = other_case()
        if made.too_long:
            way_out += " Give other --min_wav_duration and --max_wav_duration."
        raise UserError(f"{source}: no usable utterances are left.{way_out}")


@dataclass
class _Made:
    """Results of formatting a set's utterances.

    Attributes:
        problems: Reason by name in the corpus, for the bad utterances.
        tables: Tables of the usable utterances.
        lengths: Number of samples, or of feature frames, of each usable utterance.
        too_long: Names of the utterances outside the length limits.
        short: For utterances too short for their transcript: their feature frames, and
            the frames that CTC needs.
    """

    problems: dict[str, str]
    tables: DataDir = field(default_factory=lambda: DataDir({}, {}, {}))
    lengths: dict[str, int] = field(default_factory=dict)
    too_long: list[str] = field(default_factory=list)
    short: list[tuple[int, int]] = field(default_factory=list)

    def add(self, one: Utterance, result: Formatted, data: DataDir) -> None:
        """Store the result of an utterance of ``data``."""
        if result.problem == "length":
            self.too_long.append(one.name)
        elif result.problem:
            # The corpus is not at fault if only a faster copy is too short.
            if one.speed == 1.0:
                self.problems[one.source] = result.problem
                if result.frames is not None:
                    self.short.append((result.frames, one.needed))
        else:
            self.tables.audio[one.name] = result.path
            self.lengths[one.name] = result.length
            if one.source in data.text:
                self.tables.text[one.name] = data.text[one.source]
            # As Kaldi and ESPnet do: a perturbed voice is another speaker.
            self.tables.utt2spk[one.name] = one.prefix + data.utt2spk[one.source]

    def remove(self, names: Collection[str], speeds: Sequence[float]) -> None:
        """Leave utterances out, with all their copies."""
        tables = self.tables
        for name in (f"{speed_prefix(s)}{utt}" for utt in names for s in speeds):
            for table in (tables.audio, tables.text, tables.utt2spk, self.lengths):
                table.pop(name, None)


def _refuse_names_of_copies(
    source: Path, data: DataDir, speeds: Sequence[float]
) -> None:
    """Refuse utterances whose name a speed-perturbed copy of another one would get."""
    copies = {
        f"{speed_prefix(speed)}{utt}": (utt, speed)
        for utt in data.audio
        for speed in speeds
        if speed != 1.0
    }
    taken = {
        utt: f"has the name that the copy of {copies[utt][0]} at speed "
        f"{copies[utt][1]:g} would get"
        for utt in data.audio
        if utt in copies
    }
    if taken:
        raise complain(
            str(source),
            taken,
            "Rename them, or, if the set has copies at other speeds already, give "
            "--speed_perturb_factors ''.",
        )


def _other_case(
    text: dict[str, str],
    tokenize: Callable[[str], list[str]],
    known: Optional[set[str]],
) -> str:
    """Return a hint if most transcripts fit the tokens in the other case, else ""."""
    bad = check_text(text, tokenize, known) if known else {}
    for name, change in (("upper", str.upper), ("lower", str.lower)):
        changed = {utt: change(text[utt]) for utt in bad}
        if 2 * len(check_text(changed, tokenize, known or set())) < len(bad):
            return (
                f" In {name} case {len(bad)} transcripts would be in the token list: "
                "convert the table text."
            )
    return ""


def _leave_out(problems: dict[str, str], listed_in: Path) -> None:
    write_lines(listed_in, (f"{utt} {what}" for utt, what in problems.items()))
    for utt, what in list(problems.items())[:_SHOWN]:
        logger.warning("%s left out: %s", utt, what)
    if len(problems) > _SHOWN:
        logger.warning(
            "%d utterances left out, all of them in %s", len(problems), listed_in
        )


def _finer_layers(short: list[tuple[int, int]]) -> str:
    """Return a hint on how to get enough frames for the transcripts.

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
        f" {counted(len(short), 'utterance')} too short for the frame rate of the "
        "encoder: "
        "with encoder_conf.input_layer: "
        + ", with ".join(f"{name} {n} of them fit" for name, n in fits.items())
        + "; larger tokens (--token_type bpe) need fewer frames."
    )
