"""Download the CMU Census corpus (AN4) and prepare Kaldi data folders.

The original folder structure is read (``etc/an4_{train,test}.{fileids,transcription}``
and ``wav/``), with audio as SPHERE (the original) or FLAC. The test set is the official
one. The development set has all utterances of some training *speakers*, so that it also
measures errors on unseen voices.
"""

import logging
import re
from pathlib import Path
from typing import Sequence

from espnet_plugin.corpora.archive import DamagedArchive, fetch, unpack
from espnet_plugin.corpora.corpus import write_sets
from espnet_plugin.data.kaldi import DataDir, complain
from espnet_plugin.errors import UserError

__all__ = [
    "URLS",
    "choose_speakers",
    "download_an4",
    "prepare_an4",
    "read_part",
    "split_transcribed",
    "subset",
]

logger = logging.getLogger(__name__)

# As in ESPnet's recipe: the university's address, then that of ESPnet's copy.
URLS = (
    "http://www.speech.cs.cmu.edu/databases/an4/an4_sphere.tar.gz",
    "https://huggingface.co/datasets/espnet/an4/resolve/main/an4_sphere.tar.gz",
)

# "<s> YES </s> (an251-fash-b)", or without the marks.
_LINE = re.compile(r"^(?:<s>)?\s*(.*?)\s*(?:</s>)?\s*\((\S+)\)\s*$")
# File names have the form "<prompt>-<speaker>-b".
_NAME = re.compile(r"^[^-]+-([^-]+)-[^-]+$")
_SUFFIXES = (".sph", ".flac", ".wav")
_WAY_OUT = (
    "--an4 (or AN4 in db.sh) must name the unpacked corpus, the folder that holds etc/ "
    "and wav/"
)


def read_part(root: Path, part: str) -> DataDir:
    """Read the ``train`` or ``test`` part of the corpus below ``root``.

    Raises:
        UserError: If a list is missing, empty or malformed, or an utterance has no
        audio or no transcript.
    """
    fileids = root / "etc" / f"an4_{part}.fileids"
    transcription = root / "etc" / f"an4_{part}.transcription"
    texts = {}
    for number, line in enumerate(_read_lines(transcription), 1):
        match = _LINE.match(line)
        if match is None:
            raise UserError(
                f"{transcription}:{number}: {line!r} does not end with '(file name)'"
            )
        texts[match[2]] = match[1]
    data, problems = DataDir({}, {}, {}), {}
    for fileid in _read_lines(fileids):
        name = fileid.rsplit("/", 1)[-1]
        match = _NAME.match(name)
        if match is None:
            problems[fileid] = "is not named <prompt>-<speaker>-<channel>"
            continue
        # The id begins with the speaker, so that sorting by utterance also sorts by
        # speaker.
        utt = f"{match[1]}-{name}"
        found = [p for s in _SUFFIXES if (p := root / "wav" / f"{fileid}{s}").is_file()]
        if not found:
            problems[utt] = (
                f"has no wav/{fileid} with one of the endings {' '.join(_SUFFIXES)}"
            )
        elif not texts.get(name):
            problems[utt] = f"has no transcript in {transcription.name}"
        else:
            data.audio[utt] = str(found[0])
            data.text[utt] = texts[name]
            data.utt2spk[utt] = match[1]
    if problems:
        raise complain(str(fileids), problems, "Unpack the corpus again.")
    return data


def _read_lines(path: Path) -> list[str]:
    """Return the lines that are not blank; there must be at least one."""
    if not path.is_file():
        raise UserError(f"{path} is missing: {_WAY_OUT}")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not a text file ({error}): unpack the corpus again"
        ) from error
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if not lines:
        raise UserError(f"{path} lists no utterances: unpack the corpus again")
    return lines


def choose_speakers(speakers: set[str], number: int, option: str) -> list[str]:
    """Choose speakers at equal distances in alphabetical order.

    Names begin with ``f`` for women and ``m`` for men, so both are chosen in the
    proportion of the training set.

    Raises:
        UserError: If ``number`` is not from 1 to the number of speakers minus 1.
    """
    if not 1 <= number < len(speakers):
        raise UserError(
            f"{option} {number}: the corpus has {len(speakers)} training speaker(s) "
            "to choose from; choose at least 1, but fewer than all"
        )
    ordered = sorted(speakers)
    step = len(ordered) / number
    return [ordered[int((i + 0.5) * step)] for i in range(number)]


def subset(data: DataDir, utterances: set[str]) -> DataDir:
    """Return the given utterances of ``data``, in its order."""
    return DataDir(
        *(
            {utt: table[utt] for utt in table if utt in utterances}
            for table in (data.audio, data.text, data.utt2spk)
        )
    )


def split_transcribed(train: DataDir, number: int) -> dict[str, DataDir]:
    """Divide the training set as if only some speakers had been transcribed."""
    speakers = set(train.utt2spk.values())
    chosen = choose_speakers(speakers, number, "--transcribed_speakers")
    theirs = {utt for utt, speaker in train.utt2spk.items() if speaker in chosen}
    others = subset(train, train.audio.keys() - theirs)
    return {
        "train_transcribed": subset(train, theirs),
        "train_untranscribed": DataDir(others.audio, {}, others.utt2spk),
    }


def prepare_an4(
    root: Path, folder: Path, dev_speakers: int, transcribed_speakers: int = 0
) -> None:
    """Write ``train``, ``dev`` and ``test`` in ``folder``.

    If ``transcribed_speakers`` is above 0, also write ``train_transcribed``, the
    utterances of this number of training speakers, and ``train_untranscribed``, the
    audio of the others.

    Raises:
        UserError: If the corpus is incomplete or damaged; nothing is written then.
    """
    if not root.is_dir():
        raise UserError(f"--an4 {root} is not a folder: {_WAY_OUT}")
    # Absolute, so that wav.scp can be used from any folder.
    train, test = (read_part(root.resolve(), part) for part in ("train", "test"))
    speakers = set(train.utt2spk.values())
    overlap = speakers & set(test.utt2spk.values())
    if overlap:
        raise UserError(
            f"{root}: {', '.join(sorted(overlap))} speak in both the training and the "
            "test set, so this is not the original corpus: unpack it again"
        )
    dev = choose_speakers(speakers, dev_speakers, "--dev_speakers")
    held_out = {utt for utt, speaker in train.utt2spk.items() if speaker in dev}
    kept = subset(train, train.text.keys() - held_out)
    sets = {"train": kept, "dev": subset(train, held_out), "test": test}
    if transcribed_speakers:
        sets.update(split_transcribed(kept, transcribed_speakers))
    write_sets(folder, sets)
    logger.info("dev speakers: %s", " ".join(dev))


def download_an4(folder: Path, urls: Sequence[str] = URLS) -> Path:
    """Create ``folder/an4`` from the first address that serves the archive.

    Returns:
        Path of the unpacked corpus.

    Raises:
        UserError: If no address does; the message has the reason for each address.
    """
    corpus = folder / "an4"
    if corpus.is_dir():
        logger.info("%s exists already", corpus)
        return corpus
    problems = []
    for number, url in enumerate(urls):
        # One file per address, because a partial download is resumed from the same one.
        archive = folder / f"{number}_{url.rsplit('/', 1)[-1]}"
        try:
            if not archive.is_file():
                fetch(url, archive)
            unpack(archive, corpus, "an4")
            return corpus
        except UserError as error:
            logger.warning("%s", error)
            problems.append(str(error))
            if isinstance(error, DamagedArchive):
                archive.unlink()
    raise UserError(
        "AN4 was not downloaded:\n  "
        + "\n  ".join(problems)
        + "\nRun the command again on a machine with network access, or give the "
        "unpacked corpus (the folder that holds etc/ and wav/): ./run.sh "
        '--local_data_opts "--an4 DIR", or AN4=DIR in db.sh'
    )
