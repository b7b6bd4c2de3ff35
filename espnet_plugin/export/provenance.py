"""How an exported model was made, as far as its experiment folder shows it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Optional

from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.experiment.meta import Meta

__all__ = ["MADE", "NO_LICENSE", "Provenance", "provenance_of"]

# The key in an export's meta.json.
MADE = "made"
_DATA = "train_data_path_and_name_and_type"
NO_LICENSE = "not stated when it was exported (--license)"


@dataclass(frozen=True)
class Provenance:
    """Origin of a model; None or empty for values that the folder does not have.

    Attributes:
        method: How it was made, as the tables name it; ``espnet`` for a folder that
            this plugin has not written.
        variant: Name of the variant of the method.
        seed: Seed of the training.
        kept_layers: Layers of the reference that it consists of, from 0.
        width: Width of its encoder, where its size names it, as in 4x72.
        made_of: Folder name of the training that it was made of.
        reference_sha256: Digest of the reference's checkpoint.
        source: Where an imported reference came from.
        trained_on: Names of the data folders of its last training.
        license: License of the reference.
    """

    method: str = "espnet"
    variant: str = ""
    seed: Optional[int] = None
    kept_layers: tuple[int, ...] = ()
    width: Optional[int] = None
    made_of: Optional[str] = None
    reference_sha256: Optional[str] = None
    source: Optional[str] = None
    trained_on: tuple[str, ...] = ()
    license: str = NO_LICENSE

    def to_json(self) -> dict[str, Any]:
        """Return what is known, for a JSON file."""
        return {k: v for k, v in asdict(self).items() if v not in (None, "", ())}


def provenance_of(experiment: Path, license: Optional[str] = None) -> Provenance:
    """Read where a model comes from.

    No path of this machine is in it, only names.

    Args:
        experiment: Its folder.
        license: License of the reference, as the user states it.
    """
    folder = Experiment(experiment)
    meta = folder.find_meta() or Meta()
    source = meta.source
    if source is not None and (Path(source).is_absolute() or Path(source).exists()):
        source = Path(source).name
    files = folder.config().get(_DATA)
    if not files and meta.shared is not None:  # cut out of a training of several sizes
        training = Experiment(folder.folder.parent / Path(meta.shared).name)
        files = training.config().get(_DATA) if training.config_file.is_file() else None
    return Provenance(
        method=meta.method or "espnet",
        variant=meta.variant,
        seed=meta.seed,
        kept_layers=meta.kept_layers,
        width=meta.size_width,
        made_of=None if meta.shared is None else Path(meta.shared).name,
        reference_sha256=meta.reference_sha256,
        source=source,
        trained_on=tuple(
            dict.fromkeys(Path(one[0]).parent.name for one in files or ())
        ),
        license=license or NO_LICENSE,
    )
