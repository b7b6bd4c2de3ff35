"""The folder of the page, for any static web server."""

import importlib.metadata
import logging
import shlex
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Sequence

from espnet_plugin.errors import UserError
from espnet_plugin.export.folder import whole_folder
from espnet_plugin.files import write_json
from espnet_plugin.web.exports import Exported
from espnet_plugin.web.models import WebModel, web_models
from espnet_plugin.web.runtime import runtime_files

__all__ = ["build_page", "check_page", "check_page_folder"]

_PAGE = Path(__file__).parent / "page"
_LIST = "models.json"
# What a page consists of; other files in its folder are a user's.
_OWN = (*(path.name for path in _PAGE.iterdir()), "onnxruntime", "models", _LIST)


def check_page(folder: Path) -> None:
    """Check that a page can be written, before models are exported for it.

    onnxruntime-web is downloaded if it was not before.

    Raises:
        UserError: If the folder holds something else, or onnxruntime-web cannot be
            downloaded.
    """
    check_page_folder(folder)
    runtime_files()


def check_page_folder(folder: Path) -> None:
    """Check that a folder is empty, missing, or holds a page, which is replaced.

    Raises:
        UserError: If it holds something else.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UserError(f"{folder}: a file of that name exists; choose another folder")
    if any(folder.iterdir()) and not (folder / _LIST).is_file():
        raise UserError(
            f"{folder} holds files that do not belong to a page (there is no "
            f"{_LIST}): choose another folder for the page"
        )


def _told_apart(models: Sequence[WebModel]) -> list[WebModel]:
    """Number models of the same name: experiments of different folders may have it."""
    labels = [model.label for model in models]
    found = []
    for n, model in enumerate(models):
        before = labels[:n].count(model.label)
        label = f"{model.label} ({before + 1})" if before else model.label
        found.append(replace(model, label=label))
    return found


def build_page(exports: Sequence[Exported], folder: Path) -> Path:
    """Write a page that recognises speech with a choice of models.

    Args:
        exports: The models.
        folder: The folder to write; an existing page is replaced, and other files in
            it are kept.

    Returns:
        The folder.

    Raises:
        UserError: If an export cannot be used in a browser, or onnxruntime-web cannot
            be downloaded.
    """
    check_page_folder(folder)
    runtime = runtime_files()
    with whole_folder(folder, _OWN) as new:
        shutil.copytree(_PAGE, new, dirs_exist_ok=True)
        (new / "onnxruntime").mkdir()
        for file in runtime:
            shutil.copy(file, new / "onnxruntime" / file.name)
        models: list[WebModel] = []
        for number, exported in enumerate(exports):
            # Numbered, because experiments in different folders may have the same name.
            place = f"models/{number}"
            found = web_models(exported.folder, place, exported.experiment)
            (new / place).mkdir(parents=True)
            for name in (path for model in found for path in model.files.values()):
                shutil.copy(exported.folder / Path(name).name, new / name)
            models += found
        version = importlib.metadata.version("espnet_plugin")
        content = {
            "made_by": f"espnet_plugin {version}",
            "models": [asdict(model) for model in _told_apart(models)],
        }
        write_json(new / _LIST, content)
    logging.info(
        "%s: a page with %d model(s); to try it, run python -m http.server "
        "--directory %s 8000, then open http://localhost:8000",
        *(folder, len(models), shlex.quote(str(folder))),
    )
    return folder
