"""Safely unpack a zip file of unknown origin."""

import shutil
import stat
import zipfile
from pathlib import Path, PurePosixPath
from typing import Union

from espnet_plugin.errors import UserError

__all__ = ["extract_zip"]

_MAX_MEMBERS = 20000
_FREE_SPACE_KEPT = 64 * 2**20  # bytes


def extract_zip(archive: Union[str, Path], directory: Union[str, Path]) -> list[str]:
    """Write the regular files of ``archive`` below ``directory``.

    All names and sizes are checked before anything is written.

    Returns:
        The members' names.

    Raises:
        UserError: If it is no zip file or is damaged or encrypted; if a member has an
            absolute name, a ``..`` or the name of another one, or is a link or a
            device; or if unpacked it would not fit on the disk.
    """
    archive, directory = Path(archive), Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(archive) as opened:
            members = opened.infolist()
            targets = [(item, _checked_target(archive, item)) for item in members]
            if len(members) > _MAX_MEMBERS:
                raise UserError(
                    f"{archive}: {len(members)} members are too many for a model (the "
                    f"limit is {_MAX_MEMBERS})"
                )
            _refuse_twice(archive, targets)
            total = sum(item.file_size for item in members)
            free = shutil.disk_usage(directory).free - _FREE_SPACE_KEPT
            if total > free:
                raise UserError(
                    f"{archive}: unpacking needs {total / 2**20:.0f} MiB, but only "
                    f"{max(free, 0) / 2**20:.0f} MiB are free; free some space, if "
                    "you trust this file"
                )
            for item, target in targets:
                if item.is_dir():
                    continue
                path = directory / target
                path.parent.mkdir(parents=True, exist_ok=True)
                _copy_member(opened, item, path)
    except (zipfile.BadZipFile, EOFError) as error:
        raise UserError(
            f"{archive} is not a zip file or is truncated ({error}); download it again"
        ) from error
    except (RuntimeError, NotImplementedError) as error:  # encrypted, unknown method
        raise UserError(f"{archive} cannot be unpacked: {error}") from error
    except OSError as error:
        raise UserError(
            f"{archive} cannot be unpacked into {directory}: "
            f"{error.strerror or error}"
        ) from error
    return [item.filename for item, _ in targets if not item.is_dir()]


def _refuse_twice(archive: Path, targets: list) -> None:
    """Refuse archives in which two members have the same name."""
    seen: dict[PurePosixPath, str] = {}
    for item, target in targets:
        if target in seen and not item.is_dir():
            raise UserError(
                f"{archive}: member {item.filename!r} is in it twice; do not trust "
                "this file"
            )
        seen[target] = item.filename


def _checked_target(archive: Path, item: zipfile.ZipInfo) -> PurePosixPath:
    # ZipInfo turns the system's separator into "/", so a backslash is one of Windows.
    name = item.filename
    target = PurePosixPath(name)
    if (
        not target.parts
        or target.is_absolute()
        or ".." in target.parts
        or "\\" in name
        or ":" in target.parts[0]
    ):
        raise UserError(
            f"{archive}: member {name!r} would be written outside of the folder; do "
            "not trust this file"
        )
    # The high half holds the Unix mode, also where another system is said to have
    # made the archive; 0 stands for a plain file.
    kind = stat.S_IFMT(item.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise UserError(
            f"{archive}: member {name!r} is a link or a device, not a file; do not "
            "trust this file"
        )
    return target


def _copy_member(opened: zipfile.ZipFile, item: zipfile.ZipInfo, path: Path) -> None:
    left = item.file_size
    with opened.open(item) as source, open(path, "wb") as sink:
        while block := source.read(2**20):
            left -= len(block)
            if left < 0:  # the sizes that were added up were not the truth
                raise UserError(
                    f"{opened.filename}: member {item.filename!r} is larger than the "
                    "archive says; do not trust this file"
                )
            sink.write(block)
