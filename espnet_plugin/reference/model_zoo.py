"""Download models from ESPnet's model zoo by their names."""

import re
from pathlib import Path

from espnet_plugin.errors import UserError

__all__ = ["download_model", "is_model_name"]

# Owner and model, optionally with a revision: espnet/name@abc.
_NAME = re.compile(r"^[^/.~][^/]*/[^/]+$")


def is_model_name(reference: str) -> bool:
    """Return whether this can be a model's name and is not a misspelt path."""
    if Path(reference).exists() or not _NAME.match(reference):
        return False
    # exp/asr_typo counts as a path if the folder exp exists.
    return not Path(reference).parent.exists() and not reference.endswith(".zip")


def download_model(name: str) -> Path:
    """Download a model with ``espnet_model_zoo``, which caches it.

    Args:
        name: A name that ``Speech2Text.from_pretrained`` accepts, e.g. ``espnet/...``.

    Returns:
        Path of a packed model, or of the folder of an unpacked one.

    Raises:
        UserError: If the package is not installed, or the download fails.
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
    except Exception as error:  # errors of network, hub, archive or disk
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(
            f"{neither}, and could not be fetched from ESPnet's model zoo "
            f"({first_line}): check the name and the network; or download it on a "
            f"machine with network access, and {way_out}"
        ) from error
