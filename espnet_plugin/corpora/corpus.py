"""Shared steps in preparing public corpora: downloads and writing of sets."""

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping

from espnet_plugin.corpora.archive import DamagedArchive, fetch, unpack
from espnet_plugin.data.kaldi import DataDir, write_data_dir
from espnet_plugin.errors import UserError

__all__ = ["Archive", "fetch_missing", "write_sets"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Archive:
    """A public ``.tar.gz`` of a corpus or of a part of it.

    Attributes:
        url: Address of the archive.
        inside: Folder in the archive that is used.
        num_bytes: Approximate size in bytes, for checking the free disk space.
    """

    url: str
    inside: str
    num_bytes: int


def fetch_missing(wanted: Mapping[Path, Archive], way_out: str) -> None:
    """Download and unpack missing folders; archives are removed after unpacking.

    Finished folders are not downloaded again, and interrupted downloads are resumed.

    Args:
        wanted: Archives by the folders into which they are unpacked.
        way_out: Advice for machines without a network, for messages.

    Raises:
        UserError: If the disk has too little space (before any download), or a download
            fails.
    """
    missing = {f: a for f, a in wanted.items() if not f.is_dir()}
    if not missing:
        return
    names = " ".join(sorted(folder.name for folder in missing))
    sizes = [archive.num_bytes for archive in missing.values()]
    for folder in missing:
        folder.parent.mkdir(parents=True, exist_ok=True)
    place = next(iter(missing)).parent
    # Audio is compressed already, so an archive is about as large as its content. While
    # an archive is unpacked, both exist.
    needed, free = sum(sizes) + max(sizes), shutil.disk_usage(place).free
    if needed > free:
        raise UserError(
            f"downloading {names} into {place}: {needed / 1e9:.0f} GB are needed, "
            f"{free / 1e9:.0f} GB are free. {way_out}"
        )
    logger.info("downloading %s, %.1f GB, into %s", names, sum(sizes) / 1e9, place)
    for folder, archive in missing.items():
        path = folder.parent / archive.url.rsplit("/", 1)[-1]
        try:
            if not path.is_file():
                fetch(archive.url, path)
            unpack(path, folder, archive.inside)
        except UserError as error:
            if isinstance(error, DamagedArchive):
                path.unlink()
            raise UserError(f"{folder.name} was not downloaded: {error}\n{way_out}")
        path.unlink()


def write_sets(folder: Path, sets: Mapping[str, DataDir]) -> None:
    """Write data folders by name and log their sizes."""
    for name, data in sets.items():
        write_data_dir(folder / name, data)
        logger.info(
            "%s: %d utterances, %d speakers, %d words",
            folder / name,
            len(data.audio),
            len(set(data.utt2spk.values())),
            sum(len(text.split()) for text in data.text.values()),
        )
