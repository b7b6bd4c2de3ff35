"""Prepare Kaldi data folders from the eight AN4 utterances in ESPnet's package.

Five utterances are for training, one for development and two for the test. They show
that a recipe runs on real speech, but are far too few to measure anything.
"""

import importlib.metadata
import logging
from pathlib import Path

from espnet_plugin.corpora.an4 import read_part, subset
from espnet_plugin.corpora.archive import unpack
from espnet_plugin.corpora.corpus import write_sets
from espnet_plugin.errors import UserError
from espnet_plugin.files import write_text

__all__ = ["find_archive", "prepare_mini_an4"]

logger = logging.getLogger(__name__)

_ARCHIVE = "egs3/mini_an4/esp2_asr/downloads.tar.gz"
_INSIDE = "downloads/an4"

# The archive's lists omit this recording; its transcript is from AN4's lists.
_UNLISTED = "an4_clstk/fash/cen7-fash-b", "TWO SIX EIGHT FOUR FOUR ONE EIGHT"

# The only utterance whose characters all occur in the others; unknown characters in the
# development set would be an error. Its speaker is in training too.
_DEV = {"mwhw-an152-mwhw-b"}


def find_archive() -> Path:
    """Return the path of the archive in the installed ESPnet.

    Raises:
        UserError: If ESPnet is not installed as a package, or its release lacks the
        file.
    """
    try:
        distribution = importlib.metadata.distribution("espnet")
    except importlib.metadata.PackageNotFoundError as error:
        raise UserError(
            "the package espnet is not installed as a package: give its "
            "egs3/mini_an4/esp2_asr/downloads.tar.gz with --archive"
        ) from error
    path = Path(str(distribution.locate_file(_ARCHIVE)))
    if not path.is_file():
        raise UserError(
            f"espnet {distribution.version} does not contain {_ARCHIVE} (202611 "
            "does): install that version, or give the archive with --archive"
        )
    return path


def prepare_mini_an4(archive: Path, download_dir: Path, output_dir: Path) -> None:
    """Unpack the corpus into ``download_dir/an4`` and write the data folders.

    Raises:
        UserError: If the archive is missing or damaged.
    """
    corpus = download_dir / "an4"
    if corpus.is_dir():
        logger.info("%s exists already", corpus)
    else:
        unpack(archive, corpus, _INSIDE, lambda name: name.startswith(f"{_INSIDE}/"))
    _list_the_unlisted(corpus)
    train, test = (read_part(corpus.resolve(), part) for part in ("train", "test"))
    write_sets(
        output_dir,
        {
            "train": subset(train, train.text.keys() - _DEV),
            "dev": subset(train, _DEV),
            "test": test,
        },
    )


def _list_the_unlisted(corpus: Path) -> None:
    fileid, words = _UNLISTED
    line = f"<s> {words} </s> ({fileid.rsplit('/', 1)[-1]})"
    for name, entry in ("fileids", fileid), ("transcription", line):
        path = corpus / "etc" / f"an4_train.{name}"
        content = path.read_text(encoding="utf-8") if path.is_file() else ""
        if entry not in content.splitlines():
            write_text(path, f"{content.rstrip()}\n{entry}\n")
