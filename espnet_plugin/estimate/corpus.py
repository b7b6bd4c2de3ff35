"""Find how much audio is trained on and decoded: on disk, from options, or assumed."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Optional, Sequence

from espnet_plugin.errors import UserError
from espnet_plugin.estimate.plan import Corpus
from espnet_plugin.estimate.sets import find_size, read_lengths

__all__ = ["CorpusOptions", "FoundCorpus", "find_corpus"]

# LibriSpeech's development and test sets have 5.1 to 5.4 h each. For a small corpus at
# most the hours of its training set are assumed.
_ASSUMED_EVAL_HOURS = 5.0


@dataclass(frozen=True)
class CorpusOptions:
    """Options of the command on the amount of audio.

    Attributes:
        corpus_hours: Hours of training audio, used if no folder has this information.
        dump_dir: Folder of the sets written by stage 2.
        data_dir: Folder of the Kaldi folders, used if stage 2 has not run.
        train_set: Name of the training set in ``data_dir``.
        dump_train_set: Name of the training set in ``dump_dir``.
        lengths: Path of the training set's ``utt2num_samples``, if it is elsewhere.
        segments: Path of the training set's ``segments``, if it is elsewhere.
        eval_sets: Names of the sets to decode.
        eval_hours: Hours of these sets, in place of those found in the folders.
        segmented: Whether stage 2 will cut the audio.
        fs: Sampling rate in Hz.
        speed_perturb_factors: Speed factors; 1 is always added.
        utterance_seconds: Mean duration of utterances in seconds, used if the training
            set does not exist yet.
    """

    corpus_hours: Optional[float]
    dump_dir: Optional[Path]
    data_dir: Optional[Path]
    train_set: Optional[str]
    dump_train_set: Optional[str]
    lengths: Optional[Path]
    segments: Optional[Path]
    eval_sets: Sequence[str]
    eval_hours: Optional[float]
    segmented: bool
    fs: int
    speed_perturb_factors: Sequence[float]
    utterance_seconds: float


class FoundCorpus(NamedTuple):
    """Amounts of audio, and descriptions of their sources.

    Attributes:
        corpus: The amounts.
        source: Source of the hours of training audio.
        length_source: Source of the mean duration of an utterance.
        eval_source: Source of the hours to decode.
    """

    corpus: Corpus
    source: str
    length_source: str
    eval_source: str


def find_corpus(options: CorpusOptions) -> FoundCorpus:
    """Return how much audio there is.

    Raises:
        UserError: If the amount of training audio is not known, or a file that an
            option names is missing or wrong.
    """
    speeds = tuple(sorted({1.0, *options.speed_perturb_factors}))
    dump, data = options.dump_dir or Path("dump/raw"), options.data_dir or Path("data")
    train = options.train_set or "train"
    formatted = dump / (options.dump_train_set or train)
    if options.lengths is not None:
        dump = formatted = options.lengths.parent
        size = read_lengths(options.lengths, options.fs)
    else:
        size = find_size(formatted, data / train, options.fs)
    if size is not None:
        # The formatted set has a copy for each speed.
        copies = sum(1 / s for s in speeds) if size.source.startswith(f"{dump}/") else 1
        hours, where = size.hours / copies, size.source
        length_source = "their mean length"
        seconds = size.hours * 3600 / size.utterances
    elif options.corpus_hours is not None:
        hours, where = options.corpus_hours, "--corpus_hours"
        seconds, length_source = (
            options.utterance_seconds,
            "assumed; --utterance_seconds",
        )
    else:
        raise UserError(
            f"the amount of training audio is not known: neither {formatted} nor "
            f"{data / train} says it. Run stage 1 first (--stop_stage 1), or give "
            "--corpus_hours HOURS (without copies at other speeds)"
        )
    if options.segments is not None and not options.segments.is_file():
        raise UserError(f"--segments {options.segments} is missing: name a file")
    segments = options.segments or data / train / "segments"
    segmented = options.segmented or segments.is_file()
    decoded, said = _eval_hours(options, dump, data, min(_ASSUMED_EVAL_HOURS, hours))
    corpus = Corpus(hours, speeds, seconds, segmented, decoded)
    return FoundCorpus(corpus, where, length_source, said)


def _eval_hours(
    options: CorpusOptions, dump: Path, data: Path, assumed: float
) -> tuple[float, str]:
    """Return the hours of the sets to decode, and a description of their source.

    Args:
        options: The options.
        dump: Folder of the formatted sets.
        data: Folder of the Kaldi folders.
        assumed: Hours assumed for a set that does not exist yet.
    """
    if options.eval_hours is not None:
        return options.eval_hours, "--eval_hours"
    sizes = {
        one: find_size(dump / one, data / one, options.fs) for one in options.eval_sets
    }
    unknown = [name for name, size in sizes.items() if size is None]
    hours = sum(size.hours for size in sizes.values() if size is not None)
    said = [f"{size.source}" for size in sizes.values() if size is not None]
    if unknown or not sizes:
        hours += assumed * max(1, len(unknown))
        said.append(
            f"{assumed:g} h assumed for each set that is not there yet: "
            f"{' '.join(unknown) or 'no name given'}; --eval_hours"
        )
    return hours, ", ".join(said)
