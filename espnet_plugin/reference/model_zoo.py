"""Models by their name in ESPnet's model zoo, where the network allows it."""

import re
from pathlib import Path

from espnet_plugin.errors import UserError

__all__ = ["download_model", "is_model_name"]

# A user and a model of theirs, perhaps with a revision: espnet/name@abc.
_NAME = re.compile(r"^[^/.~][^/]*/[^/]+$")


def is_model_name(reference: str) -> bool:
    """Return whether this may be a model's name rather than a misspelt path."""
    if Path(reference).exists() or not _NAME.match(reference):
        return False
    # exp/asr_typo is a path as long as there is an exp.
    return not Path(reference).parent.exists() and not reference.endswith(".zip")


def download_model(name: str) -> Path:
    """Fetch a model with ``espnet_model_zoo``, which keeps it for the next time.

    Args:
        name: Name that ``Speech2Text.from_pretrained`` takes, e.g. ``espnet/...``.

    Returns:
        A packed model, or the folder of one that is unpacked.

    Raises:
        UserError: If that package is missing, or has no such model, or no network.
    """
    neither = f"--reference {name} does not exist as a folder or file here"
    way_out = (
        "give an ESPnet ASR experiment folder, or a .zip that espnet2.bin.pack wrote"
    )
    try:
        from espnet_model_zoo.downloader import ModelDownloader
    except ImportError as error:
        raise UserError(
            f"{neither}, and a name in ESPnet's model zoo needs a package that is not "
            f"installed ({error}): pip install espnet_model_zoo, or {way_out}"
        ) from error
    try:
        return Path(ModelDownloader().download(name))
    except Exception as error:  # of the network, the hub, the archive, the disk
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(
            f"{neither}, and could not be fetched from ESPnet's model zoo "
            f"({first_line}): check the name and the network; or download it on a "
            f"machine with network access, and {way_out}"
        ) from error
