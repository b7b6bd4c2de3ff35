"""Find the files of a reference model in an experiment folder or a packed model.

A packed model is not trusted: only files inside the archive are used.
"""

import logging
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, Optional

from espnet_plugin.checkpoints.archive import extract_zip
from espnet_plugin.checkpoints.checkpoint import choose_checkpoint
from espnet_plugin.checkpoints.config_files import (
    file_settings,
    get_setting,
    resolve_paths,
    set_setting,
)
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.config import read_config
from espnet_plugin.experiment.named_files import find_file
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.yaml_files import parse_yaml

__all__ = ["Source", "from_folder", "from_zip"]


class Source(NamedTuple):
    """The files of a reference model before it is imported.

    Attributes:
        config_file: Path of ``config.yaml``.
        config: Its content, with the paths of existing files.
        checkpoint: Path of the checkpoint.
    """

    config_file: Path
    config: dict[str, Any]
    checkpoint: Path

    def files(self) -> list[Path]:
        """Return the configuration, the checkpoint and all files named in options."""
        named = [get_setting(self.config, key) for key, _ in file_settings(self.config)]
        return [self.config_file, self.checkpoint, *map(Path, named)]


def from_folder(folder: Path, model_file: Optional[str]) -> Source:
    """Find the files of a model in an experiment folder or an unpacked pack.

    Args:
        folder: The folder.
        model_file: Name of the requested checkpoint; chosen automatically if None.

    Raises:
        UserError: If a file is missing or damaged.
    """
    found = Experiment(folder)
    if found.pack_file.is_file() and not found.config_file.is_file():
        return _from_unpacked(folder, model_file)
    return _from_experiment(folder, model_file)


def _from_experiment(folder: Path, model_file: Optional[str]) -> Source:
    config_file = Experiment(folder).config_file
    if not config_file.is_file():
        raise UserError(
            f"--reference {folder} has no config.yaml: give the folder that ESPnet's "
            "ASR training wrote, e.g. exp/asr_train_raw_bpe500"
        )
    config = read_config(config_file)
    checkpoint = choose_checkpoint(folder, model_file, _is_ctc_only(config))
    return Source(config_file, resolve_paths(config, config_file), checkpoint)


def from_zip(archive: Path, root: Path, model_file: Optional[str]) -> Source:
    """Unpack a model that ``espnet2.bin.pack`` wrote, and find its files.

    Args:
        archive: Path of the archive.
        root: New folder into which it is unpacked.
        model_file: Name of the requested checkpoint; that of the pack if None.

    Raises:
        UserError: If it is not such an archive, is damaged, or names files outside.
    """
    if archive.suffix != ".zip":
        raise UserError(
            f"--reference {archive} is neither a folder nor a .zip: pack it with "
            "python -m espnet2.bin.pack asr ... --outpath model.zip"
        )
    extract_zip(archive, root)
    return _from_unpacked(root, model_file, archive)


def _from_unpacked(
    root: Path, model_file: Optional[str], archive: Optional[Path] = None
) -> Source:
    """Find the parts of a packed model.

    Args:
        root: Folder of the unpacked model.
        model_file: Name of the requested checkpoint.
        archive: Path of the archive, for messages; ``root`` if None.
    """
    archive = archive or root
    names = [str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()]
    meta = _pack_meta(archive, root, names)
    config_name = _member(meta.get("asr_train_config"), names)
    if config_name is None:
        wanted = Experiment(root).config_file.name
        inside = [name for name in names if PurePosixPath(name).name == wanted]
        if not inside:
            raise UserError(
                f"{archive} has no config.yaml: it is not an ASR model packed by "
                "espnet2.bin.pack"
            )
        config_name = min(inside, key=lambda name: (name.count("/"), name))
    config_file = root / config_name
    config = read_config(config_file)
    checkpoint_name = _member(meta.get("asr_model_file"), names)
    if checkpoint_name is None or model_file is not None:
        checkpoint = choose_checkpoint(
            config_file.parent, model_file, _is_ctc_only(config)
        )
    else:
        checkpoint = root / checkpoint_name
        logging.info("checkpoint: %s (as packed)", checkpoint_name)
    # Only what was in the archive: a foreign configuration must not make us copy
    # files of this machine.
    above = [folder for folder in config_file.parents if folder.is_relative_to(root)]
    for dotted, _ in file_settings(config):
        value = PurePosixPath(str(get_setting(config, dotted)))
        if ".." in value.parts:
            raise UserError(
                f"{archive}: {dotted}: {value} leads outside the archive; pack it "
                "again from the folder the model was trained in"
            )
        # ``zip`` drops the leading slash of absolute paths.
        parts = value.parts[1:] if value.is_absolute() else value.parts
        inside = str(PurePosixPath(*parts))
        found, _ = find_file(inside, config_file, [root, *above])
        set_setting(config, dotted, str(found) if found else inside)
    resolved = resolve_paths(config, config_file, [root, *above])
    allowed = [root.resolve()]
    if root.parent.name == "snapshots":
        # In the cache of the Hugging Face hub, a model's files are links to blobs.
        allowed.append((root.parents[1] / "blobs").resolve())
    for dotted, _ in file_settings(resolved):
        path = Path(get_setting(resolved, dotted)).resolve()
        if not any(path.is_relative_to(folder) for folder in allowed):
            raise UserError(f"{archive}: {dotted}: {path} is not in the archive")
    return Source(config_file, resolved, checkpoint)


def _pack_meta(archive: Path, root: Path, names: list[str]) -> dict[str, str]:
    """Return the description of a packed model's files; empty for a plain zip."""
    path = Experiment(root).pack_file
    if path.name not in names:
        return {}
    try:
        meta = parse_yaml(path.read_text(encoding="utf-8"))
        return {**meta["files"], **meta["yaml_files"]}
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{archive}: its meta.yaml was not written by espnet2.bin.pack ({error})"
        ) from error


def _member(name: Any, names: list[str]) -> Optional[str]:
    """Find the member of a pack that ``meta.yaml`` names."""
    if not isinstance(name, str):
        return None
    name = name.lstrip("/")
    return name if name in names else None


def _is_ctc_only(config: dict[str, Any]) -> bool:
    return config["model_conf"].get("ctc_weight", 0.5) == 1.0
