"""Prepare Kaldi data folders from LibriSpeech (Panayotov et al., ICASSP 2015).

``LibriSpeech/<part>/<reader>/<chapter>/<reader>-<chapter>.trans.txt`` has a line for
each ``<reader>-<chapter>-<number>.flac`` next to it. As in the recipes of Kaldi and
ESPnet, each chapter counts as a speaker, so the data folders are identical to theirs.
"""

import logging
from pathlib import Path
from typing import Mapping, Optional, Sequence

from espnet_plugin.corpora.corpus import Archive, fetch_missing, write_sets
from espnet_plugin.data.kaldi import DataDir, complain
from espnet_plugin.errors import UserError

__all__ = ["PARTS", "find_parts", "parse_sets", "prepare_librispeech", "read_part"]

logger = logging.getLogger(__name__)

_ADDRESS = "https://www.openslr.org/resources/12"
# Number of utterances (https://www.openslr.org/12), and size of the archive in bytes.
PARTS = {
    "dev-clean": (2703, 337926286),
    "dev-other": (2864, 314305928),
    "test-clean": (2620, 346663984),
    "test-other": (2939, 328757843),
    "train-clean-100": (28539, 6387309499),
    "train-clean-360": (104014, 23049477885),
    "train-other-500": (148688, 30593501606),
}
# FLAC is the original format; the others are for converted copies.
_SUFFIXES = (".flac", ".wav", ".opus", ".ogg")
_WAY_OUT = (
    "Run the command again on a machine with network access and enough disk space "
    "(--download_dir), or give the unpacked corpus: ./run.sh --local_data_opts "
    '"--librispeech DIR", or LIBRISPEECH=DIR in db.sh'
)


def parse_sets(specs: Sequence[str]) -> dict[str, list[str]]:
    """Parse ``name=part+part...``: sets and the parts that they consist of.

    Raises:
        UserError: If one has a different form, or a name is listed twice.
    """
    sets: dict[str, list[str]] = {}
    for spec in specs:
        name, _, parts = spec.partition("=")
        if not name or "/" in name or not all(parts.split("+")) or name in sets:
            raise UserError(
                f"--sets {spec}: give each set once, as name=part, or name=part+part, "
                "e.g. dev=dev-clean+dev-other"
            )
        sets[name] = parts.split("+")
    return sets


def find_parts(
    root: Optional[Path], parts: Sequence[str], download_dir: Path
) -> dict[str, Path]:
    """Return the folder of each part; missing parts are downloaded.

    Args:
        root: The unpacked corpus (or the folder that contains ``LibriSpeech/``). None:
            all parts are taken from ``download_dir``.
        parts: Names of the parts, e.g. ``train-clean-100``.
        download_dir: Folder for downloads.

    Raises:
        UserError: If ``root`` is not such a folder, a part is neither there nor public,
            or a download fails.
    """
    found: dict[str, Path] = {}
    if root is not None:
        if not root.is_dir():
            raise UserError(f"--librispeech {root} is not a folder. {_WAY_OUT}")
        # Absolute, so that wav.scp can be used from any folder.
        places = [root.resolve() / "LibriSpeech", root.resolve()]
        for part in parts:
            there = [place / part for place in places if (place / part).is_dir()]
            if there:
                found[part] = there[0]
        if not found:
            raise UserError(
                f"--librispeech {root} has none of {' '.join(parts)}, neither there "
                f"nor in LibriSpeech/. {_WAY_OUT}"
            )
    missing = [part for part in parts if part not in found]
    unknown = [part for part in missing if part not in PARTS]
    if unknown:
        raise UserError(
            f"--sets: part {' '.join(unknown)} is not in --librispeech {root}, and "
            f"only {' '.join(PARTS)} can be downloaded"
        )
    base = download_dir.resolve() / "LibriSpeech"
    archives = {
        base
        / part: Archive(
            f"{_ADDRESS}/{part}.tar.gz", f"LibriSpeech/{part}", PARTS[part][1]
        )
        for part in missing
    }
    fetch_missing(archives, _WAY_OUT)
    return {part: found.get(part, base / part) for part in parts}


def read_part(folder: Path, allow_incomplete: bool = False) -> DataDir:
    """Read one part, e.g. ``LibriSpeech/dev-clean``.

    Args:
        folder: Folder of the part.
        allow_incomplete: Whether a public part may lack utterances.

    Raises:
        UserError: If there are no transcripts, an utterance has no audio or no words,
            audio has no transcript, or a public part lacks utterances.
    """
    data, problems = DataDir({}, {}, {}), {}
    for transcripts in sorted(folder.glob("*/*/*.trans.txt")):
        chapter = transcripts.parent
        speaker = f"{chapter.parent.name}-{chapter.name}"
        audio = {p.stem: p for s in _SUFFIXES for p in chapter.glob(f"*{s}")}
        for line in transcripts.read_text(encoding="utf-8").split("\n"):
            utt, _, words = line.strip().partition(" ")
            if not utt:
                continue
            if not words.strip():
                problems[utt] = f"has an empty transcript in {transcripts}"
            elif utt not in audio:
                problems[utt] = f"has no {' or '.join(_SUFFIXES)} in {chapter}"
            else:
                data.audio[utt] = str(audio.pop(utt))
                data.text[utt] = words.strip()
                data.utt2spk[utt] = speaker
        for utt in audio:
            problems.setdefault(utt, f"has no line in {transcripts}")
    if problems:
        raise complain(str(folder), problems, "Unpack the part again.")
    if not data.text:
        raise UserError(
            f"{folder} has no <reader>/<chapter>/*.trans.txt: it is not a part of "
            "LibriSpeech, or it was not unpacked completely"
        )
    expected = PARTS.get(folder.name, (len(data.text),))[0]
    if len(data.text) != expected:
        message = f"{folder} has {len(data.text)} utterances, not {expected}"
        if not allow_incomplete:
            raise UserError(
                f"{message}: unpack it again, or give --allow_incomplete true"
            )
        logger.warning("%s", message)
    return data


def prepare_librispeech(
    root: Optional[Path],
    output_dir: Path,
    sets: Mapping[str, Sequence[str]],
    download_dir: Path,
    allow_incomplete: bool = False,
) -> None:
    """Write the sets in ``output_dir``; see :func:`find_parts`.

    Raises:
        UserError: If the corpus is incomplete or damaged; nothing is written then.
    """
    wanted = list(dict.fromkeys(part for parts in sets.values() for part in parts))
    folders = find_parts(root, wanted, download_dir)
    read = {part: read_part(folders[part], allow_incomplete) for part in wanted}
    write_sets(
        output_dir,
        {name: _join([read[part] for part in parts]) for name, parts in sets.items()},
    )


def _join(parts: Sequence[DataDir]) -> DataDir:
    tables = ("audio", "text", "utt2spk")
    return DataDir(
        *({k: v for p in parts for k, v in getattr(p, t).items()} for t in tables)
    )
