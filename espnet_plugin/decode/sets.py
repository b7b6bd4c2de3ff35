"""Sets to decode: which there are, what they hold, and which are not decoded yet."""

import logging
from pathlib import Path
from typing import Any, NamedTuple, Optional, Sequence, Union

from espnet_plugin.counted import counted
from espnet_plugin.data.content import Contents
from espnet_plugin.decode.record import decode_inputs, why_decode
from espnet_plugin.errors import UserError
from espnet_plugin.files import read_pairs

__all__ = ["DecodeSet", "WaitingSet", "check_set", "waiting_sets"]

_SOUND_TYPES = ("sound", "kaldi_ark", "npy")


class DecodeSet(NamedTuple):
    """One set to decode.

    Attributes:
        name: Name of the set, for the log.
        data: ``(path, "speech", type)`` as ESPnet's ``--data_path_and_name_and_type``,
            or that as one string with commas.
        output_dir: Output folder for ``text``, ``token``, ``token_int`` and ``score``.
        key_file: A table whose first column has the ids of the utterances to decode, in
            the order of the output; by default the first file of ``data``.
    """

    name: str
    data: Sequence[Union[str, tuple[str, str, str]]]
    output_dir: Union[str, Path]
    key_file: Optional[Union[str, Path]] = None


class WaitingSet(NamedTuple):
    """A set that must be decoded.

    Attributes:
        item: The set.
        data: Path, ``speech`` and type of its table.
        keys: Ids of the utterances, in the order of the output.
        inputs: Inputs of the output; see
        :func:`~espnet_plugin.decode.record.decode_inputs`.
    """

    item: DecodeSet
    data: tuple[str, str, str]
    keys: Sequence[str]
    inputs: dict[str, Any]


def waiting_sets(
    config: Union[str, Path],
    checkpoint: Union[str, Path],
    sets: Sequence[Union[DecodeSet, tuple]],
    method: str,
    overwrite: bool = False,
    digests: Optional[Path] = None,
) -> list[WaitingSet]:
    """Return the sets that are not decoded or outdated, and log the reasons.

    Args:
        config: Path of the model's ``config.yaml``.
        checkpoint: Path of its checkpoint.
        sets: The sets.
        method: Decoding method.
        overwrite: Whether finished sets are decoded again.
        digests: See :class:`~espnet_plugin.data.content.Contents`.

    Raises:
        UserError: If a set or the model is missing.
    """
    if not Path(checkpoint).is_file():
        raise UserError(f"checkpoint {checkpoint} is missing: train the model first")
    sets = [DecodeSet(*item) for item in sets]
    # All inputs are checked before the first set is decoded.
    looked_at = [check_set(item) for item in sets]
    contents, waiting = Contents(digests), []
    for item, (data, keys) in zip(sets, looked_at):
        folder = Path(item.output_dir)
        inputs = decode_inputs(config, checkpoint, data, keys, method, contents)
        why = why_decode(folder, inputs, keys, checkpoint, data[0])
        if why is None and not overwrite:
            logging.info("%s: already decoded in %s", item.name, folder)
            continue
        logging.info("%s will be decoded: %s", item.name, why or "this was requested")
        waiting.append(WaitingSet(item, data, keys, inputs))
    contents.save()
    return waiting


def check_set(item: DecodeSet) -> tuple[tuple[str, str, str], list[str]]:
    """Return the data triple and the ids of the utterances in the order of the output.

    Raises:
        UserError: If the set is not of type speech, is empty, or lacks an utterance.
    """
    data = []
    for spec in item.data:
        triple = tuple(spec.split(",")) if isinstance(spec, str) else tuple(spec)
        if len(triple) != 3:
            raise UserError(
                f"--data_path_and_name_and_type {spec}: three fields are needed, "
                "e.g. dump/raw/test/wav.scp,speech,sound"
            )
        path, name, kind = map(str, triple)
        if name != "speech":
            raise UserError(
                f"--data_path_and_name_and_type {spec}: decoding only takes speech, "
                f"not {name!r}"
            )
        if kind not in _SOUND_TYPES:
            raise UserError(
                f"--data_path_and_name_and_type {spec}: type {kind!r} is not one of "
                f"{', '.join(_SOUND_TYPES)}"
            )
        data.append((path, name, kind))
    if len(data) != 1:
        raise UserError(f"set {item.name}: one speech file is needed, not {len(data)}")
    known = read_pairs(data[0][0])
    keys = list(known)
    if item.key_file is not None:
        keys = list(read_pairs(item.key_file))
        unknown = [key for key in keys if key not in known]
        if unknown:
            raise UserError(
                f"--key_file {item.key_file}: {', '.join(unknown[:4])} not in "
                f"{data[0][0]} ({counted(len(unknown), 'utterance')})"
            )
    if not keys:
        raise UserError(
            f"set {item.name}: {item.key_file or data[0][0]} lists no utterances"
        )
    return data[0], keys
