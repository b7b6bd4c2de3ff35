"""Options of both families that have to fit each other, and files they name."""

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
]


def file_names(folder: Path, suffix: str) -> list[str]:
    """Return the names, without the suffix, of the files in a folder that have it."""
    return sorted(path.name.removesuffix(suffix) for path in folder.glob(f"*{suffix}"))


def check_durations(options: SharedOptions) -> None:
    """Refuse durations between which there is nothing.

    Raises:
        UserError: Naming the option.
    """
    least, most = options.min_wav_duration, options.max_wav_duration
    kind = find_option(type(options), "max_wav_duration").kind
    try:
        Number(float(least), above=True, example=kind.example).read(most)
    except ValueError as error:
        raise UserError(f"--max_wav_duration {most}: {error}") from error


def check_file(option: str, value: str) -> None:
    """Refuse a file that is not there.

    Raises:
        UserError: Naming option and file.
    """
    if not Path(value).is_file():
        where = moved_to(value) or ": name a file that is there"
        raise UserError(f"--{option} {value or repr(value)} is missing{where}")


def check_named_files(option: str, names: tuple[str, ...], folder: str) -> None:
    """Refuse names of which a folder has no file ``<name>.yaml``.

    Raises:
        UserError: Naming option, file and what there is.
    """
    for name in names:
        if not Path(folder, f"{name}.yaml").is_file():
            files = file_names(Path(folder), ".yaml")
            raise UserError(
                f"--{option} {name}: {folder}/{name}.yaml is missing; there are "
                f"{' '.join(files) or 'none'}{did_you_mean(name, files)}"
            )


def check_data_script(datadir: str) -> None:
    """Refuse stage 1 where nothing makes data folders.

    Raises:
        UserError: Naming the script.
    """
    if not Path("local/data.sh").exists():
        raise UserError(
            "local/data.sh is missing: write it (it makes Kaldi folders in "
            f"{datadir}), or put these there yourself and begin with --stage 2"
        )
