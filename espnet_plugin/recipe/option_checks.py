"""Checks that the recipes share: stages, durations, files, ``local/data.sh``."""

from pathlib import Path

from espnet_plugin.errors import UserError
from espnet_plugin.moved_files import moved_to
from espnet_plugin.recipe.option import find_option
from espnet_plugin.recipe.options.shared import SharedOptions
from espnet_plugin.recipe.values.numbers import Number
from espnet_plugin.suggest import did_you_mean

__all__ = [
    "check_data_script",
    "check_durations",
    "check_file",
    "check_named_files",
    "file_names",
    "wanted",
]


def file_names(folder: Path, suffix: str) -> list[str]:
    """Return the names, without the suffix, of the files in a folder that have it."""
    return sorted(path.name.removesuffix(suffix) for path in folder.glob(f"*{suffix}"))


def wanted(options: SharedOptions, *stages: int) -> bool:
    """Return whether at least one of the stages is to run."""
    return any(options.stage <= stage <= options.stop_stage for stage in stages)


def check_durations(options: SharedOptions) -> None:
    """Check that the longest duration exceeds the shortest one.

    Raises:
        UserError: If it does not.
    """
    least, most = options.min_wav_duration, options.max_wav_duration
    kind = find_option(type(options), "max_wav_duration").kind
    try:
        Number(float(least), above=True, example=kind.example).read(most)
    except ValueError as error:
        raise UserError(f"--max_wav_duration {most}: {error}") from error


def check_file(option: str, value: str) -> None:
    """Check that a file exists.

    Args:
        option: Name of the option that names the file.
        value: Path of the file.

    Raises:
        UserError: If it is missing, with its new place if this project has moved it,
            or a folder.
    """
    if value and Path(value).is_dir():
        raise UserError(f"--{option} {value} is a folder: name a file")
    if not Path(value).is_file():
        where = moved_to(value) or ": name an existing file"
        raise UserError(f"--{option} {value or repr(value)} is missing{where}")


def check_named_files(option: str, names: tuple[str, ...], folder: str) -> None:
    """Check that a folder has a file ``<name>.yaml`` for each name.

    Args:
        option: Name of the option that has the names.
        names: The names.
        folder: The folder.

    Raises:
        UserError: If a file is missing; with the names that exist. If a name is a
            path.
    """
    for name in names:
        if "/" in name:
            raise UserError(
                f"--{option} {name}: must be the name of a file in {folder}, without "
                "its folder, because models are named after it"
            )
        if "," in name:
            names = " ".join(one for one in name.split(",") if one)
            raise UserError(
                f'--{option} {name}: several names are separated by spaces: "{names}"'
            )
        if not Path(folder, f"{name}.yaml").is_file():
            files = file_names(Path(folder), ".yaml")
            raise UserError(
                f"--{option} {name}: {folder}/{name}.yaml is missing; there are "
                f"{' '.join(files) or 'none'}{did_you_mean(name, files)}"
            )


def check_data_script(datadir: str) -> None:
    """Check that the script of stage 1 exists.

    Raises:
        UserError: If ``local/data.sh`` is missing.
    """
    if not Path("local/data.sh").exists():
        raise UserError(
            "local/data.sh is missing: write this script, which makes Kaldi data "
            f"folders in {datadir}, or put the folders there and begin with --stage 2"
        )
