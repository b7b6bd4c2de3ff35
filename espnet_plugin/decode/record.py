"""Record the inputs of a decoded set, so that outdated results are not kept."""

from pathlib import Path
from typing import Any, Mapping, Optional, Sequence, Union

from espnet_plugin.checkpoints.audio_scale import sample_factor
from espnet_plugin.data.content import Contents
from espnet_plugin.decode.best_path import FILES, is_finished
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.decoded import DecodedSet
from espnet_plugin.experiment.inputs import first_difference
from espnet_plugin.files import read_pairs, read_record, write_json
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
    """Return the inputs that determine a decoded set.

    The number of processes, threads and GPUs and the batches are not included, because
    they do not change the text.

    Args:
        config: Path of the model's configuration.
        checkpoint: Path of the model.
        data: Path, ``speech`` and type of the table.
        keys: Ids of the utterances, in their order.
        method: Decoding method.
        contents: Reads checksums of files.

    Raises:
        UserError: If a file cannot be read.
    """
    path, _, kind = data
    inputs = {
        "checkpoint": contents.file(checkpoint),
        "config": contents.text_file(config),
        "audio": contents.table(path, kind, keys),
        "method": method,
    }
    factor = sample_factor(Path(config).parent, read_yaml(config, "model"), data)
    # Only recorded if not 1, because earlier versions did not have it.
    return inputs if factor == 1.0 else {**inputs, "samples": f"times {factor:g}"}


def why_decode(
    folder: Path,
    inputs: Mapping[str, Any],
    keys: Sequence[str],
    checkpoint: Union[str, Path],
    table: Union[str, Path],
) -> Optional[str]:
    """Return the reason why a set must be decoded; None if it is up to date.

    A folder of an earlier version, which has no record, is up to date if its files are
    newer than the model and the table of the audio.

    Args:
        folder: Folder of the decoded set.
        inputs: See :func:`decode_inputs`.
        keys: Ids of the utterances, in their order.
        checkpoint: Path of the model.
        table: Path of the table of the audio.
    """
    text = folder / FILES[-1]
    if not all((folder / name).is_file() for name in FILES):
        return "this has not been done yet"
    if keys and not all((folder / name).stat().st_size for name in FILES):
        return "a file of its folder is empty"
    if list(read_pairs(text)) != list(keys):
        return "its list of utterances has changed"
    known = _known(folder)
    if known == {}:
        return "its decoding was interrupted, or its record is damaged"
    if known is not None:
        differing = first_difference(known, inputs)
        return None if differing is None else f"another {differing}"
    if not is_finished(folder, checkpoint):
        return "the model is newer than the decoded text"
    if Path(table).stat().st_mtime > text.stat().st_mtime:
        return f"{table} is newer than the decoded text"
    return None


def forget_decoded(folder: Path) -> None:
    """Mark a set as unfinished before it is decoded again.

    Its record is emptied, not removed: a set without a record counts as one of an
    earlier version, and a kill after its text is written must not leave that.

    Raises:
        UserError: If the record cannot be written.
    """
    (Path(folder) / FILES[-1]).unlink(missing_ok=True)
    write_json(DecodedSet(Path(folder)).decoded_file, {})


def note_decoded(folder: Path, inputs: Mapping[str, Any]) -> None:
    """Record the inputs of a set after all of its files have been written.

    Raises:
        UserError: If the record cannot be written. The set then counts as not decoded,
            because nobody could compare its inputs later.
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
    return read_record(path)
