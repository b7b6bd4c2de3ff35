"""The inputs of a job: its request, with data and files identified by their content.

ESPnet's options override its configuration. Both are merged into one mapping here, so
it does not matter which of them sets a value.
"""

import json
import os
from dataclasses import fields
from pathlib import Path
from typing import Any, Callable, Mapping, Optional, Sequence

import yaml

from espnet_plugin.data.content import CACHE, Contents
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.inputs import KIND, Difference, first_difference, flat
from espnet_plugin.experiment.meaning import is_decisive

__all__ = [
    "CONTENT",
    "JobInputs",
    "difference",
    "digests_beside",
    "digests_file",
    "is_same_kind",
    "job_inputs",
    "read_options",
]

# Only the use of these folders affects the result (stored values are rounded), not
# their path.
_USED = ("teacher_cache",)
_TABLES = {f"{part}_data_path_and_name_and_type": part for part in ("train", "valid")}
# Options whose values ESPnet appends to earlier ones, also to those of a configuration.
_APPENDED = (
    *_TABLES,
    *(f"{part}_shape_file" for part in ("train", "valid")),
)
# Beginning of a value that is a file's content.
CONTENT = "content "
# What the field ``start`` of a dual-mode training has, by the names of the options.
START = ("start_from", "start_masks", "start_whole", "reference_layers")
# Fields of a request that are merged.
_PARTS = ("config", "options")


class JobInputs(dict):
    """Names and plain values; see :mod:`espnet_plugin.experiment.inputs`."""


def read_options(options: Sequence[str]) -> dict[str, Any]:
    """Read options of ESPnet into a mapping like that of a configuration file.

    ``--optim_conf lr=0.1`` becomes ``{"optim_conf": {"lr": 0.1}}``. Several values
    become a list, also those of an option that is repeated and whose values ESPnet
    appends.
    """
    read: dict[str, Any] = {}
    for name, values in _groups(options):
        if name in _APPENDED:
            read.setdefault(name, []).extend(values)
        elif name.endswith("_conf"):
            for value in values:
                _set(read.setdefault(name, {}), value)
        else:
            plain = [_scalar(value) for value in values]
            read[name] = plain[0] if len(plain) == 1 else plain
    return read


def _groups(options: Sequence[str]) -> list[tuple[str, list[str]]]:
    groups: list[tuple[str, list[str]]] = []
    for option in options:
        if option.startswith("--"):
            name, same, value = option[2:].partition("=")
            groups.append((name, [value] if same else []))
        elif groups:
            groups[-1][1].append(option)
    return groups


def _set(conf: dict[str, Any], text: str) -> None:
    """Put ``a.b=value``, or a YAML mapping in braces, into nested dictionaries."""
    names, same, value = text.partition("=")
    if not same:
        whole = _scalar(text)
        conf.update(whole if isinstance(whole, dict) else {text: True})
        return
    *folders, last = names.split(".")
    for name in folders:
        inner = conf.get(name)
        conf[name] = inner if isinstance(inner, dict) else {}
        conf = conf[name]
    conf[last] = _scalar(value)


def _scalar(text: str) -> Any:
    if text.lower() in ("none", "null", "nil", ""):
        return None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def job_inputs(request: Any, contents: Optional[Contents]) -> JobInputs:
    """Return the inputs that determine the result of a request.

    Args:
        request: A dataclass of :mod:`espnet_plugin.jobs.requests`.
        contents: Reads the content of data and files; None: they are identified by the
            last two parts of their paths, as in the records of earlier versions.
    """
    values = {item.name: getattr(request, item.name) for item in fields(request)}
    return _inputs(type(request).__name__, values, contents)


def _inputs(
    kind: str, values: Mapping[str, Any], contents: Optional[Contents]
) -> JobInputs:
    name_of = _by_name if contents is None else _by_content(contents)
    given = dict(values.get("config") or {})
    options = values.get("options") or ()
    if not isinstance(options, Mapping):  # requests of this plugin
        options = read_options(options)
    for name, value in options.items():
        if name.endswith("_conf") and isinstance(given.get(name), Mapping):
            value = {**given[name], **value}
        elif name in _APPENDED and given.get(name):
            value = [*given[name], *value]
        given[name] = value
    data: dict[str, Any] = {}
    for option, part in _TABLES.items():
        for table in given.pop(option, None) or ():
            data.update(_table(part, table, contents))
    own = {name: value for name, value in values.items() if name not in _PARTS}
    for table in own.pop("data", ()):
        data.update(_table("valid", table, contents))
    used = {name: "used" for name in _USED if given.pop(name, None) is not None}
    rest = {name: value for name, value in sorted(given.items()) if is_decisive(name)}
    ordered = {KIND: kind, **data, **own, **rest, **used}
    named = {name: _named(value, name_of) for name, value in flat(ordered).items()}
    # As it will be read from its file: tuples are lists.
    return JobInputs(json.loads(json.dumps(named, default=str)))


def _table(part: str, table: Any, contents: Optional[Contents]) -> dict[str, str]:
    """Return the name and the content of a ``path,name,type`` of ESPnet."""
    path, name, kind = table.split(",") if isinstance(table, str) else table
    if contents is None:
        return {f"{part} {name}": f"{_by_name(path, 2)} ({kind})"}
    return {f"{part} {name}": contents.table(path, kind)}


def _named(value: Any, name_of: Callable[[str], str]) -> Any:
    if isinstance(value, (list, tuple)):
        return [_named(one, name_of) for one in value]
    if isinstance(value, Mapping):
        return {key: _named(one, name_of) for key, one in value.items()}
    return name_of(value) if isinstance(value, str) else value


def _by_name(value: str, parts: int = 1) -> str:
    return "/".join(Path(value).parts[-parts:]) if "/" in value else value


def _by_content(contents: Contents) -> Callable[[str], str]:
    def name_of(value: str) -> str:
        # In ESPnet's --init_param the parts to copy follow the file, after colons.
        path, colon, rest = value.partition(":")
        # A word without / or . is not taken for a file, even if one has this name.
        if ("/" in path or "." in path) and os.path.isfile(path):
            return f"{CONTENT}{contents.text_file(path)}{colon}{rest}"
        return value

    return name_of


def digests_beside(folder: Path) -> Contents:
    """Return a reader of content whose digests are stored beside the experiments."""
    return Contents(digests_file(folder))


def digests_file(folder: Path) -> Path:
    """Return the file that stores digests for an experiment and those beside it."""
    return Path(folder).parent / CACHE


def is_same_kind(known: Mapping[str, Any], request: Any) -> bool:
    """Return whether the content of a ``request.json`` is of the same kind of job."""
    if isinstance(known.get("inputs"), Mapping):
        return known["inputs"].get(KIND) == type(request).__name__
    return not set(known) - {item.name for item in fields(request)}


def _hidden_difference(known: Mapping[str, Any], request: Any) -> Optional[Difference]:
    """Compare fields that the inputs lack, because an option has the same name.

    ESPnet's ``init`` (how random weights are drawn) hides the digest of the checkpoint
    that a training starts from.
    """
    config = getattr(request, "config", None) or {}
    hidden = [f.name for f in fields(request) if f.name in config and f.name in known]
    now = {name: getattr(request, name) for name in hidden if name not in _PARTS}
    return first_difference(
        {name: known[name] for name in now}, json.loads(json.dumps(now))
    )


def _refuse_missing(found: Optional[Difference]) -> None:
    """Name a file that an option had and that is not there any more."""
    if found is None:
        return
    # Some options have several files.
    olds, news = (
        one if isinstance(one, (list, tuple)) else [one] for one in found[1:3]
    )
    for old, new in zip(olds, news):
        if not (isinstance(old, str) and isinstance(new, str)):
            continue
        was_file = old.startswith(CONTENT) and not new.startswith(CONTENT)
        if was_file and "/" in new:
            raise UserError(
                f"{found.name}: {new} is missing: bring it back, or run the stage "
                "that writes it (without it, it is unknown whether results are of "
                "the same files)"
            )


def difference(
    known: Mapping[str, Any], request: Any, contents: Contents
) -> tuple[Optional[Difference], JobInputs]:
    """Compare the recorded inputs of a folder with those of a request.

    Args:
        known: Content of the folder's ``request.json``. Earlier versions did not record
            the content of data; then only options and names are compared.
        request: The request.
        contents: Reads the content of data and files.

    Returns:
        The first difference (None if there is none), and the inputs of the request.

    Raises:
        UserError: If a file that the recorded inputs had is missing.
    """
    wanted = job_inputs(request, contents)
    if isinstance(known.get("inputs"), Mapping):
        found = first_difference(_spelt(known["inputs"]), _spelt(wanted))
        _refuse_missing(found)
        return found or _hidden_difference(known, request), wanted
    noted = {item.name for item in fields(request)} & set(known)
    # Fields that an earlier version did not record cannot be compared.
    now = {name: getattr(request, name) for name in noted}
    old = _inputs("", known, None)
    return first_difference(_spelt(old), _spelt(_inputs("", now, None))), wanted


def _spelt(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return inputs in which the start of a dual-mode training has a name each."""
    spelt: dict[str, Any] = {}
    for name, value in inputs.items():
        if name == "start" and isinstance(value, (list, tuple)):
            spelt.update(zip(START, value))
        else:
            spelt[name] = value
    return spelt
