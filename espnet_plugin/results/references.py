"""The reference from which a model learnt, and tables with different references.

Methods should be compared with the same reference. In a table that was made in several
steps or on several machines, this may not be the case.
"""

from typing import Iterable, Optional

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.experiment.meta import REFERENCE_METHOD, Meta
from espnet_plugin.files import file_checksum
from espnet_plugin.results.row import Row
from espnet_plugin.results.shared_run import Runs, reference_of

__all__ = ["read_reference", "reference_note"]

# Hexadecimal digits of the checksum; enough to distinguish references.
_DIGITS = 12


def read_reference(experiment: Experiment, meta: Meta) -> Optional[str]:
    """Return the beginning of the SHA-256 of the reference's checkpoint.

    Args:
        experiment: A model, or a training shared by several models.
        meta: Content of its meta.json; for a reference, its own checkpoint is used.

    Returns:
        None if the folder does not have this information (it may be in that of the
        shared training), or no reference was used.
    """
    if meta.method == REFERENCE_METHOD:
        path = experiment.folder / str(meta.checkpoint)
        return file_checksum(path)[:_DIGITS] if path.is_file() else None
    found = meta.reference_sha256
    if found is None:
        try:
            found = (experiment.request() or {}).get("reference")
        except UserError:
            return None
    return found[:_DIGITS] if isinstance(found, str) else None


def reference_note(rows: Iterable[Row], runs: Runs) -> str:
    """Describe rows with the same seed that learnt from different references.

    Args:
        rows: All rows of a table.
        runs: The shared runs by name.

    Returns:
        A sentence for each such seed; empty if there is none.
    """
    seeds: dict[int, dict[str, dict[str, None]]] = {}
    for row in rows:
        if digest := reference_of(row, runs):
            of_seed = seeds.setdefault(row.identity.seed, {})
            of_seed.setdefault(digest, {})[row.identity.name] = None
    notes = ""
    for seed, digests in sorted(seeds.items()):
        if len(digests) > 1:
            each = (f"{', '.join(what)} from {d}" for d, what in digests.items())
            notes += (
                f" NOT ALL ROWS OF SEED {seed} LEARNT FROM THE SAME REFERENCE: "
                f"{'; '.join(each)}."
            )
    return notes
