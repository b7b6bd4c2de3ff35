"""Write the start of a smaller language model, or a model of ESPnet's own class."""

from pathlib import Path
from typing import Any, Mapping

import torch

from espnet_plugin.checkpoints.load import load_state
from espnet_plugin.checkpoints.plain import save_state
from espnet_plugin.experiment.paths import ExperimentPaths
from espnet_plugin.lm.compress import (
    cut_parts,
    factored_state,
    merged_state,
    padded_state,
)
from espnet_plugin.lm.load import LanguageModel, build_lm, load_lm
from espnet_plugin.lm.rows import Compression
from espnet_plugin.lm.shape import LMShape
from espnet_plugin.lm.text import read_sentences
from espnet_plugin.yaml_files import write_yaml

__all__ = ["make_start", "merged_model", "write_plain"]

State = dict[str, torch.Tensor]
# Keys of config.yaml that define the model and its tokens, not its training.
_ARCHITECTURE = (
    "token_list", "token_type", "bpemodel", "non_linguistic_symbols", "cleaner", "g2p",
    "use_preprocessor", "lm", "lm_conf", "model", "model_conf", "init",
)  # fmt: skip


def make_start(
    source: Path,
    target: LMShape,
    row: Compression,
    text: Path,
    output: Path,
    config: Mapping[str, Any],
) -> None:
    """Write the weights from which the training of a smaller model starts.

    Args:
        source: Folder of the model that is compressed.
        target: Sizes of the smaller model.
        row: Compression method and criterion.
        text: Path of the training text.
        output: Path of the file to write.
        config: Configuration of the smaller model, against which the weights are
        checked.

    Raises:
        UserError: If the source is damaged or not a Transformer language model.
    """
    loaded = merged_model(load_lm(source))
    # In incremental compression the source may already be smaller than the dense model.
    sentences = read_sentences(text, loaded.args)
    make = factored_state if row.method == "low_rank" else cut_parts
    state = make(loaded, target, row.criterion, sentences)
    tokens = loaded.config["token_list"]
    load_state(build_lm({**config, "token_list": tokens}, output), state, output)
    save_state(state, output)


def merged_model(loaded: LanguageModel) -> LanguageModel:
    """Return an equivalent model without factors; the model itself if it has none."""
    if not loaded.shape.ranks:
        return loaded
    return _other(loaded, *merged_state(loaded))


def write_plain(loaded: LanguageModel, folder: Path) -> None:
    """Write an equivalent model of ESPnet's own class.

    Factors are multiplied and removed heads are replaced by zeros. So the file is
    larger, but the model computes the same.
    """
    plain = _other(loaded, *padded_state(*merged_state(loaded)))
    config = {key: plain.config[key] for key in _ARCHITECTURE if key in plain.config}
    files = ExperimentPaths(folder)
    save_state(plain.model.state_dict(), files.model_file)
    write_yaml(files.config_file, config)


def _other(loaded: LanguageModel, state: State, shape: LMShape) -> LanguageModel:
    name, conf = shape.to_conf(loaded.config.get("lm_conf") or {})
    config = {**loaded.config, "lm": name, "lm_conf": conf}
    model = build_lm(config, loaded.checkpoint)
    load_state(model, state, loaded.checkpoint)
    return LanguageModel(model.eval(), config, shape, loaded.checkpoint)
