"""Import a reference model from an experiment folder or a packed model.

The files are not trusted: tensors are read without executing code, YAML and NumPy files
without Python objects, and archives are unpacked into their own folder only.
"""

import errno
import hashlib
import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Union

from espnet_plugin.checkpoints.bounds import check_announced
from espnet_plugin.checkpoints.checkpoint import read_checkpoint
from espnet_plugin.checkpoints.config_files import (
    file_settings,
    get_setting,
    set_setting,
)
from espnet_plugin.checkpoints.depth import encoder_depth
from espnet_plugin.checkpoints.load import build_asr_model, count_layers, load_state
from espnet_plugin.data.tokens import check_bpe_model
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.config import current_ctc
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.experiment.meaning import meaning_of_all, same
from espnet_plugin.experiment.meta import REFERENCE_METHOD, Meta
from espnet_plugin.experiment.named_files import check_blank, check_unknown, read_tokens
from espnet_plugin.files import flush_folder, write_lines
from espnet_plugin.reference.model_zoo import download_model, is_model_name
from espnet_plugin.reference.source import Source, from_folder, from_zip
from espnet_plugin.scratch import scratch_folder
from espnet_plugin.writable import usual_mode
from espnet_plugin.yaml_files import write_yaml

__all__ = ["check_ctc", "import_reference"]

PathLike = Union[str, Path]

_CTC = "ctc.ctc_lo.weight"
# Name of a file in the new folder, by the option that names the file.
_COPIES = {
    "normalize_conf.stats_file": "feats_stats.npz",
    "bpemodel": "bpe.model",
    "non_linguistic_symbols": "non_linguistic_symbols.txt",
}


def import_reference(
    reference: PathLike, output_dir: PathLike, model_file: Optional[str] = None
) -> Path:
    """Check a reference model and copy the necessary files into ``output_dir``.

    The result is an ordinary experiment folder that does not depend on other files:
    ``config.yaml``, the checkpoint under its own name, ``feats_stats.npz``,
    ``bpe.model`` (for BPE tokens), ``tokens.txt`` and ``meta.json``. It is created
    completely or not at all. A decoder is kept.

    Args:
        reference: An experiment folder of ESPnet's ASR training, a zip file of
            ``espnet2.bin.pack`` or its unpacked folder, or a name in ESPnet's model
            zoo.
        output_dir: The folder to create.
        model_file: Name of the checkpoint in the folder; by default the average by CTC
            character error rate, then other averages, the best epoch, the latest.

    Returns:
        ``output_dir``. Nothing is done if it already holds this reference.

    Raises:
        UserError: If the reference is incomplete or damaged, has no CTC layer with the
            blank as token 0, or ``output_dir`` holds something else.
    """
    name, output_dir = str(reference), Path(output_dir)
    reference = Path(reference)
    if is_model_name(name):
        if _has(output_dir, "source", name, model_file):
            return output_dir  # without using the network
        reference = download_model(name)
    else:
        name = reference.name
    if not reference.exists():
        raise UserError(
            f"--reference {reference} does not exist: give an ESPnet ASR experiment "
            "folder, or a .zip that espnet2.bin.pack wrote"
        )
    try:
        with scratch_folder(output_dir) as scratch:
            _import(reference, name, output_dir, model_file, scratch.resolve())
    except OSError as error:
        raise UserError(
            f"cannot import {reference} into {output_dir}: {error.strerror or error}; "
            f"{_way_out(error)}"
        ) from error
    return output_dir


def _way_out(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "free some space or choose another folder"
    return "change the permissions of both folders, or choose another one"


def check_ctc(config: dict[str, Any], tokens: list[str], config_file: PathLike) -> None:
    """Check that a model has a CTC layer with the blank as token 0.

    Raises:
        UserError: If it is not a CTC model, or its blank is not token 0.
    """
    kind = config.get("model") or "espnet"
    if kind != "espnet":
        raise UserError(
            f"{config_file}: model: {kind} cannot be a reference; it must be espnet, "
            "a CTC or hybrid CTC/attention model"
        )
    weight = config["model_conf"].get("ctc_weight", 0.5)
    if weight == 0:
        raise UserError(
            f"{config_file}: ctc_weight is 0, so the model has no CTC layer; use a "
            "reference trained with model_conf.ctc_weight above 0"
        )
    check_blank(config, tokens, config_file)


@dataclass(frozen=True)
class _Found:
    """A reference that is to be imported.

    Attributes:
        given: The folder or archive.
        called: Its name for ``meta.json``.
        source: The files to read.
        checksum: Checksum of the archive, or of the files.
    """

    given: Path
    called: str
    source: Source
    checksum: str


def _import(
    reference: Path,
    called: str,
    output_dir: Path,
    model_file: Optional[str],
    scratch: Path,
) -> None:
    archive = not reference.is_dir()
    checksum = _checksum([reference]) if archive else None
    if archive and _has(output_dir, "source_sha256", checksum, model_file):
        return
    if archive:
        source = from_zip(reference, scratch / "unpacked", model_file)
    else:
        source = from_folder(reference, model_file)
        checksum = _checksum(source.files())
        if _has(output_dir, "source_sha256", checksum, model_file):
            return
    if output_dir.exists() and (not output_dir.is_dir() or any(output_dir.iterdir())):
        raise UserError(
            f"{output_dir} already holds something other than --reference "
            f"{reference}: {_what_is_in(output_dir)}. Remove it, or choose another "
            "folder (in run.sh: --reference_exp or --expdir)"
        )
    _write(_Found(reference, called, source, checksum), output_dir, scratch)


def _write(found: _Found, output_dir: Path, scratch: Path) -> None:
    """Check a reference, and write its experiment folder completely or not at all."""
    source = found.source
    config, tokens, model = _check(source)
    folder = scratch / "result"
    folder.mkdir()
    shutil.copyfile(source.checkpoint, folder / source.checkpoint.name)
    for dotted, _ in file_settings(config):
        name = _COPIES[dotted]
        shutil.copyfile(get_setting(config, dotted), folder / name)
        set_setting(config, dotted, _from_here(output_dir / name))
    config["token_list"] = tokens
    config["output_dir"] = _from_here(output_dir)
    blocks = count_layers(model)
    if blocks:
        # Later stages need the number of layers, which ESPnet only writes if it was
        # given.
        config["encoder_conf"].setdefault("num_blocks", blocks)
    # The checkpoint from which the training started is not copied.
    config["init_param"] = []
    write_lines(folder / "tokens.txt", tokens)
    made = Experiment(folder)
    write_yaml(made.config_file, config)
    made.write_meta(
        Meta(
            method=REFERENCE_METHOD,
            variant="imported",
            seed=config.get("seed", 0),
            layers=encoder_depth(config),
            params=sum(item.numel() for item in model.parameters()),
            source=found.called,
            source_sha256=found.checksum,
            checkpoint=source.checkpoint.name,
        )
    )
    _move(folder, output_dir)
    logging.info(
        "reference: %s of %s, %d tokens, imported into %s",
        source.checkpoint.name,
        found.given,
        len(tokens),
        output_dir,
    )


def _move(folder: Path, output_dir: Path) -> None:
    """Move a complete folder to its place, where an empty one may be."""
    folder.chmod(usual_mode(0o777))
    flush_folder(folder)
    if output_dir.is_dir():
        output_dir.rmdir()
    os.replace(folder, output_dir)


def _what_is_in(folder: Path) -> str:
    """Describe what the folder for a new reference already contains."""
    if not folder.is_dir():
        return "a file"
    made = Experiment(folder)
    meta = made.find_meta()
    if meta is None:
        return "no reference"
    if meta.source_sha256 is None:
        return "a reference that was trained in this folder"
    return (
        f"{meta.checkpoint} of {meta.source}, imported before its content changed, or "
        "from another place"
    )


def _check(source: Source):
    """Return configuration, tokens and model, after checking that they fit together."""
    config = source.config
    tokens = read_tokens(config, source.config_file)
    check_ctc(config, tokens, source.config_file)
    state = read_checkpoint(source.checkpoint)
    layer = state.get(_CTC)
    prefix = next((k[: -len(_CTC)] for k in state if k.endswith(_CTC)), "")
    if prefix:
        raise UserError(
            f"checkpoint {source.checkpoint}: the names of its tensors begin with "
            f"{prefix!r}, as another trainer writes them (DataParallel, Lightning): "
            "save it without this prefix"
        )
    if layer is None:
        raise UserError(
            f"checkpoint {source.checkpoint} has no CTC layer (ctc.ctc_lo.weight is "
            "missing); use a reference trained with ctc_weight above 0"
        )
    if layer.size(0) != len(tokens):
        raise UserError(
            f"{source.config_file} lists {len(tokens)} tokens, but the CTC layer of "
            f"{source.checkpoint} has {layer.size(0)}; give the token list and the "
            "checkpoint of the same training"
        )
    check_unknown(tokens, source.config_file)
    config["token_list"] = tokens
    config["ctc_conf"] = current_ctc(config["ctc_conf"])
    if config.get("token_type") == "bpe":
        check_bpe_model(str(config.get("bpemodel")))
    check_announced(config, state, source.config_file)
    model, _ = build_asr_model(config, source.config_file)
    load_state(model, state, source.checkpoint)
    return config, tokens, model


def _has(output_dir: Path, key: str, value: str, model_file: Optional[str]) -> bool:
    """Return whether the folder holds this reference, by a key of its meta.json."""
    meta = Experiment(output_dir).find_meta()
    if meta is None or not same(getattr(meta, key), value):
        return False
    if model_file not in (None, meta.checkpoint):
        return False
    logging.info("%s already holds this reference", output_dir)
    return True


def _checksum(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return f"{digest.hexdigest()} means {meaning_of_all(paths)}"


def _from_here(path: Path) -> str:
    """Return a path as recipes write it: relative if it is below the current folder."""
    absolute, here = Path(os.path.abspath(path)), Path.cwd()
    if absolute.is_relative_to(here):
        return str(absolute.relative_to(here))
    return str(absolute)
