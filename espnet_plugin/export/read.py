"""Read the folder of an export, and check that it is as it was written."""

from pathlib import Path
from typing import Any, Callable, Mapping, Sequence, Union

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.export.export_meta import ExportMeta
from espnet_plugin.export.folder import FORMAT, META
from espnet_plugin.files import file_checksum, read_json

__all__ = [
    "check_is_experiment",
    "check_not_above_exports",
    "check_said",
    "check_unchanged",
    "is_export",
    "read_export",
]

_TOKENS = "tokens.txt"
_AGAIN = "copy the whole folder again, or export the model again"
_Rule = Callable[[Any], bool]


def _whole(least: int) -> _Rule:
    return lambda value: type(value) is int and least <= value < 1 << 31


def _is(*kinds: type) -> _Rule:
    return lambda value: isinstance(value, kinds)


# Keys of meta.json that its readers use, and which values are allowed.
_KEYS: dict[str, _Rule] = {
    "target": _is(str),
    "input": _is(str),
    "sample_rate": lambda value: value is None or _whole(100)(value),
    "vocabulary": _whole(2),
    "blank": _whole(0),
    "token_type": _is(str, type(None)),
    "model": _is(dict),
}
_WHOLE_KEYS: dict[str, _Rule] = {"inputs": _is(list), "outputs": _is(list)}
_STREAM_KEYS: dict[str, _Rule] = {
    **{f"streaming.{name}": _whole(1) for name in ("chunk_frames", "stride", "span")},
    "streaming.left_context_frames": _whole(0),
    "streaming.look_ahead_frames": _whole(0),
}
_FRAMING_KEYS: dict[str, _Rule] = {
    **{f"framing.{name}": _whole(0) for name in ("before", "after", "skip", "least")},
    **{f"framing.{name}": _whole(1) for name in ("size", "hop")},
}
# Properties in an ONNX file of an export, by the key of meta.json.
_SAID = {
    "sample_rate": "sample_rate",
    "blank": "blank",
    "vocabulary": "vocab_size",
    "streaming.chunk_frames": "chunk_frames",
    "streaming.left_context_frames": "left_context_frames",
    "streaming.look_ahead_frames": "look_ahead_frames",
    "streaming.stride": "subsampling_factor",
}


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


def check_not_above_exports(folder: Union[str, Path]) -> None:
    """Check that a folder is not the one that an experiment's exports are in.

    Raises:
        UserError: Naming what is in it.
    """
    if Experiment(folder).config_file.is_file():
        return
    inside = [path.parent for path in sorted(Path(folder).glob(f"*/{META}"))]
    inside = [one for one in inside if is_export(one)]
    if inside:
        names = ", ".join(map(str, inside))
        raise UserError(f"{folder} is not an export, it holds exports: give {names}")


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


def read_export(folder: Path) -> ExportMeta:
    """Read ``meta.json``.

    Raises:
        UserError: If it is damaged, has a value that is not allowed, or was written by
            a later version.
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
    rules = {**_KEYS, **(_STREAM_KEYS if "streaming" in meta else _WHOLE_KEYS)}
    if "streaming" in meta and meta.get("target") == "onnx":
        rules.update(_FRAMING_KEYS)
    for key, rule in rules.items():
        there, value = _value(meta, key)
        if not there or not rule(value):
            found = repr(value) if there else "missing"
            raise UserError(f"{path}: {key} is {found}: {_AGAIN}")
    if meta["blank"] >= meta["vocabulary"]:
        raise UserError(
            f"{path}: blank is {meta['blank']}, but vocabulary is "
            f"{meta['vocabulary']}: {_AGAIN}"
        )
    return ExportMeta.from_json(meta)


def _value(meta: Mapping[str, Any], key: str) -> tuple[bool, Any]:
    """Return whether a key such as ``framing.hop`` is there, and its value."""
    value: Any = meta
    for name in key.split("."):
        if not isinstance(value, dict) or name not in value:
            return False, None
        value = value[name]
    return True, value


def check_said(folder: Path, meta: ExportMeta, said: Mapping[str, str]) -> None:
    """Compare ``meta.json`` with the properties in an ONNX file of the export.

    Args:
        folder: The export.
        meta: The facts in its ``meta.json``.
        said: The properties; missing ones are not compared.

    Raises:
        UserError: If a value differs; it is named.
    """
    content = meta.to_json()
    for key, name in _SAID.items():
        there, value = _value(content, key)
        if there and name in said and said[name] != str(value):
            raise UserError(
                f"{folder / META}: {key} is {value}, but the model was exported with "
                f"{said[name]}: {_AGAIN}"
            )


def check_unchanged(folder: Path, meta: ExportMeta, names: Sequence[str]) -> None:
    """Compare files with the checksums in ``meta.json``.

    Files that are not listed there, such as a user's own, are not checked.

    Args:
        folder: The export.
        meta: The facts in its ``meta.json``.
        names: Names of the files.

    Raises:
        UserError: If a file is not the one that was exported.
    """
    for name in names:
        listed = (meta.files or {}).get(name)
        if listed and file_checksum(folder / name) != listed["sha256"]:
            raise UserError(
                f"{folder / name} is not the file that was exported (its SHA-256 is "
                f"not that of {META}): {_AGAIN}. An ONNX file that you have changed "
                "yourself needs another name, and --model_file NAME"
            )
