"""Read NIST SPHERE headers, and explain why such a file cannot be read."""

from pathlib import Path
from typing import Optional, Union

from espnet_plugin.errors import UserError

__all__ = ["read_sphere_header", "sphere_problem"]

_MAGIC = b"NIST_1A\n"
_SHORTEN = (
    "it is compressed with shorten, which libsndfile cannot read: convert it once "
    "with 'sph2pipe -p -f sph OLD NEW'"
)


def read_sphere_header(path: Path) -> dict[str, Union[int, float, str]]:
    """Return the fields of a SPHERE file's header.

    ``header_bytes`` is its length. The other names are those in the file, of which
    ``sample_rate``, ``sample_count``, ``channel_count``, ``sample_n_bytes`` and
    ``sample_coding`` are usual.

    Raises:
        UserError: If it is not a SPHERE file or its header is truncated.
    """
    try:
        with path.open("rb") as stream:
            magic, length = stream.read(8), stream.read(8)
            if magic != _MAGIC or not length.strip().isdigit():
                raise UserError(f"{path} is not a NIST SPHERE file: copy it again")
            fields = {"header_bytes": int(length)}
            text = stream.read(int(length) - 16).decode("ascii", "replace")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error
    head, found, _ = text.partition("end_head")
    if not found:
        raise UserError(f"{path}: its SPHERE header is truncated: copy it again")
    for line in head.splitlines():
        name, _, rest = line.partition(" ")
        kind, _, value = rest.partition(" ")
        try:
            if kind == "-i":
                fields[name] = int(value)
            elif kind == "-r":
                fields[name] = float(value)
        except ValueError as error:
            raise UserError(
                f"{path}: its SPHERE header has an invalid line {line!r}: copy it again"
            ) from error
        if kind.startswith("-s"):
            fields[name] = value.strip()
    return fields


def sphere_problem(path: Path) -> Optional[str]:
    """Return why a SPHERE file cannot be read; None if its header is valid.

    For a file of another format it returns None.
    """
    try:
        with path.open("rb") as stream:
            if stream.read(len(_MAGIC)) != _MAGIC:
                return None
        header = read_sphere_header(path)
    except OSError:
        return None
    except UserError as error:
        return str(error)
    if "shorten" in str(header.get("sample_coding", "")):
        return _SHORTEN
    try:
        # libsndfile writes the width of mu-law samples as text.
        count, channels, width = (
            int(header.get(name, usual))
            for name, usual in (
                ("sample_count", 0),
                ("channel_count", 1),
                ("sample_n_bytes", 2),
            )
        )
    except ValueError:
        return "its SPHERE header has text where there must be numbers: copy it again"
    wanted = header["header_bytes"] + count * channels * width
    size = path.stat().st_size
    if size < wanted:
        return f"it has {size} bytes, but its header announces {wanted}: copy it again"
    return None
