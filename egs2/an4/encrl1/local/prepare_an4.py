#!/usr/bin/env python3
"""Make Kaldi data folders from the CMU Census (AN4) corpus.

The corpus's own tree is read (``etc/an4_{train,test}.{fileids,transcription}`` and
``wav/``), audio as SPHERE (the original) or FLAC. The test set is the official one. The
development set is every utterance of some training *speakers*, so that it measures what
the test set does: unseen voices.
"""

import argparse
import logging
import re
import sys
from pathlib import Path

from espnet_plugin.bin.run import run_command
from espnet_plugin.corpora.corpus import write_sets
from espnet_plugin.data.kaldi import DataDir, complain
from espnet_plugin.errors import UserError

__all__ = [
    "choose_speakers",
    "get_parser",
    "main",
    "prepare",
    "read_part",
    "subset",
    "write_sets",
]

# "<s> YES </s> (an251-fash-b)", or without the marks.
_LINE = re.compile(r"^(?:<s>)?\s*(.*?)\s*(?:</s>)?\s*\((\S+)\)\s*$")
# Of a file name, "<prompt>-<speaker>-b".
_NAME = re.compile(r"^[^-]+-([^-]+)-[^-]+$")
_SUFFIXES = (".sph", ".flac", ".wav")
_WAY_OUT = (
    "--an4 (or AN4 in db.sh) must name the unpacked corpus, the folder that holds etc/ "
    "and wav/"
)


def read_part(root: Path, part: str) -> DataDir:
    """Read the ``train`` or ``test`` part of the corpus below ``root``.

    Raises:
        UserError: If a list is missing, empty or malformed, or an utterance lacks its
            audio or its transcript.
    """
    fileids = root / "etc" / f"an4_{part}.fileids"
    transcription = root / "etc" / f"an4_{part}.transcription"
    texts = {}
    for number, line in enumerate(_read_lines(transcription), 1):
        match = _LINE.match(line)
        if match is None:
            raise UserError(f"{transcription}:{number}: no '(file name)' in {line!r}")
        texts[match[2]] = match[1]
    data, problems = DataDir({}, {}, {}), {}
    for fileid in _read_lines(fileids):
        name = fileid.rsplit("/", 1)[-1]
        match = _NAME.match(name)
        if match is None:
            problems[fileid] = "is not named <prompt>-<speaker>-<channel>"
            continue
        # The speaker first, so that sorting by utterance also sorts by speaker.
        utt = f"{match[1]}-{name}"
        found = [p for s in _SUFFIXES if (p := root / "wav" / f"{fileid}{s}").is_file()]
        if not found:
            problems[utt] = f"no wav/{fileid} with one of {' '.join(_SUFFIXES)}"
        elif not texts.get(name):
            problems[utt] = f"no transcript in {transcription.name}"
        else:
            data.audio[utt] = str(found[0])
            data.text[utt] = texts[name]
            data.utt2spk[utt] = match[1]
    if problems:
        raise complain(str(fileids), problems, "Unpack the corpus again.")
    return data


def _read_lines(path: Path) -> list[str]:
    """Return the lines that are not blank; there must be one."""
    if not path.is_file():
        raise UserError(f"{path} is missing: {_WAY_OUT}")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not text ({error}): unpack it again") from error
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise UserError(f"{path} lists no utterance: unpack the corpus again")
    return lines


def choose_speakers(speakers: set[str], number: int, option: str) -> list[str]:
    """Choose speakers at even distances in alphabetical order.

    Names begin with ``f`` for women and ``m`` for men, so both are there in the
    training set's proportion.

    Raises:
        UserError: If not at least one speaker is left for each side.
    """
    if not 1 <= number < len(speakers):
        raise UserError(
            f"{option} {number}: the corpus has {len(speakers)} training speaker(s) "
            "to choose among; choose 1 or more, and fewer than that"
        )
    ordered = sorted(speakers)
    step = len(ordered) / number
    return [ordered[int((i + 0.5) * step)] for i in range(number)]


def subset(data: DataDir, utterances: set[str]) -> DataDir:
    """Return some utterances of ``data``, in its order."""
    return DataDir(
        *(
            {utt: table[utt] for utt in table if utt in utterances}
            for table in (data.audio, data.text, data.utt2spk)
        )
    )


def split_transcribed(train: DataDir, number: int) -> dict[str, DataDir]:
    """Return the training set as if only some speakers had been transcribed."""
    speakers = set(train.utt2spk.values())
    chosen = choose_speakers(speakers, number, "--transcribed_speakers")
    theirs = {utt for utt, speaker in train.utt2spk.items() if speaker in chosen}
    others = subset(train, train.audio.keys() - theirs)
    return {
        "train_transcribed": subset(train, theirs),
        "train_untranscribed": DataDir(others.audio, {}, others.utt2spk),
    }


def prepare(
    root: Path, folder: Path, dev_speakers: int, transcribed_speakers: int = 0
) -> None:
    """Write ``train``, ``dev`` and ``test`` below ``folder``.

    With ``transcribed_speakers`` also ``train_transcribed``, what so many of the
    training speakers say, and ``train_untranscribed``, audio of the others.

    Raises:
        UserError: If the corpus is not as it should be; nothing is written then.
    """
    if not root.is_dir():
        raise UserError(f"--an4 {root} is no folder: {_WAY_OUT}")
    # Absolute, because wav.scp may be read from anywhere.
    train, test = (read_part(root.resolve(), part) for part in ("train", "test"))
    speakers = set(train.utt2spk.values())
    overlap = speakers & set(test.utt2spk.values())
    if overlap:
        raise UserError(
            f"{root}: {', '.join(sorted(overlap))} speak in both training and test"
        )
    dev = choose_speakers(speakers, dev_speakers, "--dev_speakers")
    held_out = {utt for utt, speaker in train.utt2spk.items() if speaker in dev}
    kept = subset(train, train.text.keys() - held_out)
    sets = {"train": kept, "dev": subset(train, held_out), "test": test}
    if transcribed_speakers:
        sets.update(split_transcribed(kept, transcribed_speakers))
    write_sets(folder, sets)
    logging.info("dev speakers: %s", " ".join(dev))


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "--an4", type=Path, required=True, help="the unpacked corpus (etc/ and wav/)"
    )
    parser.add_argument("--output_dir", type=Path, default=Path("data"))
    parser.add_argument(
        "--dev_speakers", type=int, default=8, help="training speakers held out for dev"
    )
    parser.add_argument(
        "--transcribed_speakers",
        type=int,
        default=0,
        help="others' transcripts are left out of two more sets; 0: no such sets",
    )
    return parser


def main(cmd=None) -> int:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    return run_command(
        lambda: prepare(
            args.an4, args.output_dir, args.dev_speakers, args.transcribed_speakers
        )
    )


if __name__ == "__main__":
    sys.exit(main())
