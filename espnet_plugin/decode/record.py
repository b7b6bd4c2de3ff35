"""Records the inputs of a decoded set, so that outdated results are not kept."""

from pathlib import Path
from typing import Any, Mapping, Optional, Sequence, Union

from espnet_plugin.checkpoints.audio_scale import sample_factor
from espnet_plugin.data.content import Contents
from espnet_plugin.decode.best_path import FILES, is_finished
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.decoded import DecodedSet
from espnet_plugin.experiment.inputs import first_difference
from espnet_plugin.files import read_json, read_pairs, write_json
from espnet_plugin.yaml_files import read_yaml

__all__ = ["decode_inputs", "forget_decoded", "note_decoded", "why_decode"]


def decode_inputs(
    config: Union[str, Path],
    checkpoint: Union[str, Path],
    data: tuple[str, str, str],
    keys: Sequence[str],
    method: str,
    contents: Contents,
) -> dict[str, Any]:
    """Return what a decoded set is made of.

    How many processes, threads or GPUs decode, and in which batches, changes no text.

    Args:
        config: The model's configuration.
        checkpoint: The model.
        data: Path, ``speech`` and type of the table.
        keys: The utterances, in their order.
        method: How it is decoded.
        contents: Reads what the files hold.

    Raises:
        UserError: If a file cannot be read.
    """
    path, _, kind = data
    inputs = {
        "checkpoint": contents.file(checkpoint),
        "config": contents.file(config),
        "audio": contents.table(path, kind, keys),
        "method": method,
    }
    factor = sample_factor(Path(config).parent, read_yaml(config, "model"), data)
    # Earlier versions decoded such sets as they were, and noted nothing.
    return inputs if factor == 1.0 else {**inputs, "samples": f"times {factor:g}"}


def why_decode(
    folder: Path,
    inputs: Mapping[str, Any],
    keys: Sequence[str],
    checkpoint: Union[str, Path],
    table: Union[str, Path],
) -> Optional[str]:
    """Say in a line why a set is to be decoded; None where it is decoded already.

    A folder of an earlier version, which noted nothing, counts as decoded while its
    files are newer than the model and the table of the audio.

    Args:
        folder: The decoded set's.
        inputs: See :func:`decode_inputs`.
        keys: The utterances, in their order.
        checkpoint: The model.
        table: The table of the audio.
    """
    text = folder / FILES[-1]
    if not all((folder / name).is_file() for name in FILES):
        return "not decoded yet"
    if list(read_pairs(text)) != list(keys):
        return "its list of utterances has changed"
    known = _known(folder)
    if known is not None:
        differing = first_difference(known, inputs)
        return None if differing is None else f"another {differing}"
    if not is_finished(folder, checkpoint):
        return "the model is newer than the decoded text"
    if Path(table).stat().st_mtime > text.stat().st_mtime:
        return f"{table} is newer than the decoded text"
    return None


def forget_decoded(folder: Path) -> None:
    """Take what was decoded for unfinished, before it is decoded again."""
    (Path(folder) / FILES[-1]).unlink(missing_ok=True)
    DecodedSet(Path(folder)).decoded_file.unlink(missing_ok=True)


def note_decoded(folder: Path, inputs: Mapping[str, Any]) -> None:
    """Note what a set was decoded from, once all of its files are there.

    Raises:
        UserError: If that cannot be written. The set then counts as not decoded:
            without a note nobody could tell later whether it is of the same data.
    """
    try:
        write_json(DecodedSet(Path(folder)).decoded_file, dict(inputs))
    except UserError:
        (Path(folder) / FILES[-1]).unlink(missing_ok=True)
        raise


def _known(folder: Path) -> Optional[Mapping[str, Any]]:
    path = DecodedSet(folder).decoded_file
    if not path.is_file():
        return None
    try:
        known = read_json(path)
    except UserError:
        return {}  # damaged: decoded anew
    return known if isinstance(known, Mapping) else {}
