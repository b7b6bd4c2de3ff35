"""The folder of the reference's stored outputs, for ``--teacher_cache auto``."""

from pathlib import Path

__all__ = ["AUTO", "cache_folder"]

AUTO = "auto"


def cache_folder(given: str, expdir: str, reference: str) -> str:
    """Return the folder that ``--teacher_cache`` means.

    With ``auto`` every reference has a folder of its own. A fixed name would be refused
    as soon as another reference (``--reference_seed 2``) is taught from.

    Args:
        given: The value of the option: a folder, ``auto``, or nothing.
        expdir: Folder of the experiments.
        reference: Folder of the reference; its name is part of the cache's name.
    """
    if given != AUTO or not reference:
        return given
    name = Path(reference).name
    return f"{expdir}/teacher_cache_{name}".replace("_asr_reference", "")
