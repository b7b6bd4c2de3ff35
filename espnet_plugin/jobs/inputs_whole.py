"""Check before ESPnet starts that all files of a training exist and can be read.

ESPnet opens audio when its turn comes, perhaps after hours, and ends with the errors
of the library that could not read it.
"""

import os
import re
from pathlib import Path
from typing import Any, Mapping, Sequence

from espnet_plugin.counted import counted
from espnet_plugin.data.content import names_file
from espnet_plugin.data.tokens import read_token_list, unknown_pieces
from espnet_plugin.errors import UserError
from espnet_plugin.files import read_pairs
from espnet_plugin.jobs.inputs import read_options

__all__ = ["check_inputs_whole"]

_PARTS = ("train", "valid")
_AUDIO = ("sound", "kaldi_ark", "npy")
# YAML reads 1e-3 as text: it wants a point, and a sign after the e.
_NUMBER = re.compile(r"[-+]?[0-9][0-9_]*(\.[0-9]*)?[eE][-+]?[0-9]+")


def check_inputs_whole(
    config: Mapping[str, Any], options: Sequence[str], where: object
) -> None:
    """Refuse a training of which something cannot be read.

    Args:
        config: Its configuration.
        options: ESPnet's options besides it, which win over it.
        where: The file of the configuration, for messages.

    Raises:
        UserError: Naming the first table, file or value.
    """
    given = {**config, **read_options(options)}
    for name, value in config.items():
        if name.endswith("_conf"):
            _check_numbers(f"{name}", value, where)
    for part in _PARTS:
        for table in given.get(f"{part}_data_path_and_name_and_type") or ():
            _check_table(table)
        for shape in _several(given.get(f"{part}_shape_file")):
            _check_lengths(shape)
    statistics = (given.get("normalize_conf") or {}).get("stats_file")
    if statistics and not Path(statistics).is_file():
        raise UserError(
            f"the statistics {statistics} are missing: run stage 3 again (--stage 3 "
            "--stop_stage 3)"
        )
    if given.get("token_type") == "bpe":
        _check_tokens(given)


def _several(value: Any) -> Sequence[str]:
    return [value] if isinstance(value, str) else value or ()


def _check_numbers(name: str, value: Any, where: object) -> None:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _check_numbers(f"{name}.{key}", inner, where)
    elif isinstance(value, str) and _NUMBER.fullmatch(value):
        raise UserError(
            f"{where}: {name}: {value} is text in YAML, not a number: write "
            f"{_with_point(value)}"
        )


def _with_point(value: str) -> str:
    mantissa, _, exponent = value.lower().partition("e")
    mantissa += "" if "." in mantissa else ".0"
    sign = "" if exponent[0] in "-+" else "+"
    return f"{mantissa}e{sign}{exponent}"


def _check_table(table: Any) -> None:
    path, name, kind = table.split(",") if isinstance(table, str) else table
    values = read_pairs(path)
    if not values:
        raise UserError(f"{path} is empty: run stage 2 again (--stage 2)")
    if kind not in _AUDIO:
        return
    for number, (key, value) in enumerate(values.items(), 1):
        if not names_file(value):
            raise UserError(
                f"{path}:{number}: {key}: the file {value} is missing: bring it back, "
                "or run stage 2 again (--stage 2)"
            )


def _check_lengths(path: str) -> None:
    if not os.path.isfile(path) or not read_pairs(path):
        raise UserError(
            f"{path}, the list of lengths, is missing or empty: run stage 3 again "
            "(--stage 3 --stop_stage 3)"
        )


def _check_tokens(given: Mapping[str, Any]) -> None:
    """Refuse a BPE model that spells the transcripts in other tokens."""
    tokens, bpemodel = given.get("token_list"), given.get("bpemodel")
    if not tokens or not bpemodel:
        return
    if isinstance(tokens, str):
        tokens = read_token_list(tokens)
    texts: list[str] = []
    for table in given.get("train_data_path_and_name_and_type") or ():
        path, name, _ = table.split(",") if isinstance(table, str) else table
        if name == "text":
            texts += read_pairs(path).values()
    unknown = unknown_pieces(tokens, bpemodel, texts)
    if unknown:
        raise UserError(
            f"--bpemodel {bpemodel} spells the transcripts with "
            f"{counted(len(unknown), 'token')} not in the token list, e.g. "
            f"{' '.join(unknown[:4])}: it was replaced after stage 2. Run stage 2 "
            "again, or bring the old model back"
        )
