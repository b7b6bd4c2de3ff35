"""Prepare Kaldi data folders from TED-LIUM 2 and 3.

Sources: Rousseau et al. 2014 (release 2), Hernandez et al. 2018 (release 3). Each set
is a folder with ``stm/<talk>.stm`` and ``sph/<talk>.sph``. Transcripts, times and
speakers are those of ESPnet's egs2/tedlium2 and egs2/tedlium3. ``wav.scp`` has the
original files, which stage 2 reads and cuts, so sph2pipe is not needed.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from espnet_plugin.corpora.corpus import Archive, fetch_missing, write_sets
from espnet_plugin.corpora.stm import extend_times, read_stm, split_speakers
from espnet_plugin.data.kaldi import DataDir, Segment, complain
from espnet_plugin.data.sphere import read_sphere_header, sphere_problem
from espnet_plugin.errors import UserError

__all__ = ["RELEASES", "Release", "find_corpus", "prepare_tedlium", "read_set"]

logger = logging.getLogger(__name__)

_RATE = 16000
SETS = ("train", "dev", "test")


@dataclass(frozen=True)
class Release:
    """Properties of a release.

    Attributes:
        archive: The public archive.
        sets: Folder of the sets relative to that of the corpus, by data type.
        num_talks: Total number of talks in all sets, by data type, as far as known.
        brackets: Characters that ESPnet's recipe replaces in the words.
    """

    archive: Archive
    sets: dict[str, str]
    num_talks: dict[str, int]
    brackets: tuple[tuple[str, str], ...] = ()


RELEASES = {
    2: Release(
        Archive(
            "https://www.openslr.org/resources/19/TEDLIUM_release2.tar.gz",
            "TEDLIUM_release2",
            35_000_000_000,
        ),
        {"legacy": "."},
        {"legacy": 1514},
    ),
    3: Release(
        Archive(
            "https://www.openslr.org/resources/51/TEDLIUM_release-3.tgz",
            "TEDLIUM_release-3",
            54_000_000_000,
        ),
        {"legacy": "legacy", "speaker-adaptation": "speaker-adaptation"},
        {"legacy": 2370},
        (("<", "["), (">", "]")),
    ),
}


def find_corpus(root: Optional[Path], release: int, download_dir: Path) -> Path:
    """Return the folder of the corpus; download it if no folder is given.

    Args:
        root: ``TEDLIUM_release2`` or ``TEDLIUM_release-3``, or the folder that contains
        it.
        release: 2 or 3.
        download_dir: Folder for the download.

    Raises:
        UserError: If ``root`` is not the corpus, or the download fails.
    """
    archive = RELEASES[release].archive
    way_out = (
        "Run the command again on a machine with network access and enough disk "
        "space (--download_dir), or give the unpacked corpus: ./run.sh "
        f'--local_data_opts "--tedlium DIR", or TEDLIUM{release}=DIR in db.sh'
    )
    if root is None:
        folder = download_dir.resolve() / archive.inside
        fetch_missing({folder: archive}, way_out)
        return folder
    # Absolute, so that wav.scp can be used from any folder.
    for folder in (root.resolve() / archive.inside, root.resolve()):
        if (folder / next(iter(RELEASES[release].sets.values())) / SETS[0]).is_dir():
            return folder
    raise UserError(
        f"--tedlium {root} is neither {archive.inside} nor a folder that contains it. "
        f"{way_out}"
    )


def read_set(folder: Path, brackets: tuple[tuple[str, str], ...] = ()) -> DataDir:
    """Read ``folder/stm/*.stm`` and find ``folder/sph/*.sph``.

    Training segments are extended by 0.15 s at the start and 0.1 s at the end, as in
    ESPnet.

    Raises:
        UserError: If a transcript cannot be read, or a talk has no readable audio.
    """
    stms = sorted(folder.glob("stm/*.stm"))
    if not stms:
        raise UserError(f"{folder}/stm has no *.stm: unpack the corpus again")
    lines = read_stm(((str(path), _text(path)) for path in stms), brackets)
    if not lines:
        raise UserError(f"{folder}/stm: no line has words: unpack the corpus again")
    problems = {}
    for talk in sorted({line.talk for line in lines}):
        problem = _audio_problem(folder / "sph" / f"{talk}.sph")
        if problem:
            problems[talk] = problem
    if problems:
        raise complain(f"{folder}/sph", problems, "The names given are those of talks.")
    if folder.name == "train":
        extended = extend_times(lines, before=0.15, after=0.1)
        if len(extended) < len(lines):
            logger.warning(
                "%d segment(s) of %s are left out, because they overlap with others "
                "completely",
                len(lines) - len(extended),
                folder,
            )
        lines = extended
    return DataDir(
        {line.name: str(folder / "sph" / f"{line.talk}.sph") for line in lines},
        {line.name: line.words for line in lines},
        split_speakers(lines, 180.0),
        {line.name: Segment(line.talk, line.start, line.end) for line in lines},
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not UTF-8 text ({error}): unpack the corpus again"
        ) from error


def _audio_problem(path: Path) -> Optional[str]:
    if not path.is_file():
        return f"{path} is missing"
    problem = sphere_problem(path)
    if problem:
        return f"{path}: {problem}"
    try:
        header = read_sphere_header(path)
    except UserError as error:
        return str(error)
    rate, channels = (header.get(n) for n in ("sample_rate", "channel_count"))
    if (rate, channels) != (_RATE, 1):
        return (
            f"{path} has {rate} Hz and {channels} channel(s); it must have {_RATE} Hz "
            "and 1 channel"
        )
    return None


def prepare_tedlium(
    root: Optional[Path],
    output_dir: Path,
    release: int,
    download_dir: Path,
    data_type: str = "legacy",
    allow_incomplete: bool = False,
) -> None:
    """Write ``train``, ``dev`` and ``test`` in ``output_dir``.

    Args:
        root: See :func:`find_corpus`.
        output_dir: Output folder.
        release: 2 or 3.
        download_dir: See :func:`find_corpus`.
        data_type: Part of release 3: ``legacy`` has the dev and test sets of releases 1
            and 2, ``speaker-adaptation`` has different ones.
        allow_incomplete: Whether the corpus may lack talks.

    Raises:
        UserError: If the corpus is incomplete or damaged; nothing is written then.
    """
    about = RELEASES[release]
    if data_type not in about.sets:
        raise UserError(
            f"--data_type {data_type}: release {release} has {' and '.join(about.sets)}"
        )
    folder = find_corpus(root, release, download_dir) / about.sets[data_type]
    talks = sum(len(list((folder / name / "sph").glob("*.sph"))) for name in SETS)
    expected = about.num_talks.get(data_type, talks)
    if talks != expected:
        message = f"{folder} has {talks} *.sph in {', '.join(SETS)}, not {expected}"
        if not allow_incomplete:
            raise UserError(
                f"{message}: unpack it again, or give --allow_incomplete true"
            )
        logger.warning("%s", message)
    sets = {name: read_set(folder / name, about.brackets) for name in SETS}
    write_sets(output_dir, sets)
