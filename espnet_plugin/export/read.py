"""Read the folder of an export, and check that it is as it was written."""

from pathlib import Path
from typing import Any, Sequence, Union

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.export.folder import FORMAT, META
from espnet_plugin.files import file_checksum, read_json

__all__ = ["check_is_experiment", "check_unchanged", "is_export", "read_export"]

_TOKENS = "tokens.txt"
_AGAIN = "copy the whole folder again, or export the model again"
# Keys of meta.json that its readers use, and their types.
_KEYS: dict[str, Any] = {
    "target": str,
    "input": str,
    "sample_rate": (int, type(None)),
    "blank": int,
    "token_type": (str, type(None)),
    "vocabulary": int,
    "model": dict,
}
_WHOLE_KEYS: dict[str, Any] = {"inputs": list, "outputs": list}
_STREAM_KEYS: dict[str, Any] = {"streaming": dict}


def is_export(folder: Union[str, Path]) -> bool:
    """Return whether a folder holds an exported model, for any target.

    Raises:
        UserError: If it holds a part of one: ONNX files, but not what belongs to them.
    """
    folder = Path(folder)
    if Experiment(folder).config_file.is_file():
        return False
    parts = [name for name in (META, _TOKENS) if (folder / name).is_file()]
    if len(parts) == 2:
        meta = read_json(folder / META)
        if isinstance(meta, dict) and {"format", "target"} <= set(meta):
            return True
    if any(folder.glob("*.onnx")):
        if len(parts) == 2:
            raise UserError(f"{folder / META} is not that of an export: {_AGAIN}")
        missing = " and ".join(sorted({META, _TOKENS} - set(parts)))
        raise UserError(
            f"{folder} holds an ONNX file, but not {missing}, which belongs to an "
            f"export: {_AGAIN}"
        )
    return False


def check_is_experiment(folder: Path) -> None:
    """Check that a folder to be exported is not an export itself.

    Raises:
        UserError: If it is one, or the folder of an experiment's exports.
    """
    inside = sorted(folder.glob("*/")) if folder.name == "export" else []
    for one in [folder, *inside]:
        if not is_export(one):
            continue
        model = read_json(one / META).get("model", {})
        raise UserError(
            f"{one} is an export already, of {model.get('experiment')}: give the "
            "experiment's folder (with config.yaml) to export it again, or the export "
            "to bin/recognise or bin/web"
        )


def read_export(folder: Path) -> dict[str, Any]:
    """Read ``meta.json``.

    Raises:
        UserError: If it is damaged, or was written by a later version.
    """
    path = folder / META
    meta = read_json(path)
    if not isinstance(meta, dict):
        raise UserError(f"{path} holds no keys: {_AGAIN}")
    if meta.get("format") != FORMAT:
        raise UserError(
            f"{path}: format {meta.get('format')} is not known here, only {FORMAT}: "
            "export the model with this version of espnet_plugin, or use the version "
            "that has exported it"
        )
    kinds = _STREAM_KEYS if "streaming" in meta else _WHOLE_KEYS
    for key, kind in {**_KEYS, **kinds}.items():
        if key not in meta or not isinstance(meta[key], kind):
            found = repr(meta[key]) if key in meta else "missing"
            raise UserError(f"{path}: {key} is {found}: {_AGAIN}")
    return meta


def check_unchanged(folder: Path, meta: dict[str, Any], names: Sequence[str]) -> None:
    """Compare files with the checksums in ``meta.json``.

    Files that are not listed there, such as a user's own, are not checked.

    Args:
        folder: The export.
        meta: Content of its ``meta.json``.
        names: Names of the files.

    Raises:
        UserError: If a file is not the one that was exported.
    """
    for name in names:
        listed = meta.get("files", {}).get(name)
        if listed and file_checksum(folder / name) != listed["sha256"]:
            raise UserError(
                f"{folder / name} is not the file that was exported (its SHA-256 is "
                f"not that of {META}): {_AGAIN}. An ONNX file that you have changed "
                "yourself needs another name, and --model_file NAME"
            )
