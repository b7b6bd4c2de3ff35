"""From a language model's folder to the start of a smaller one, and to a plain one."""

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
from espnet_plugin.lm.shape import Shape
from espnet_plugin.lm.text import read_sentences
from espnet_plugin.yaml_files import write_yaml

__all__ = ["make_start", "merged_model", "write_plain"]

State = dict[str, torch.Tensor]
# Of config.yaml, what makes the model and its tokens; the rest is how it was trained.
_ARCHITECTURE = (
    "token_list", "token_type", "bpemodel", "non_linguistic_symbols", "cleaner", "g2p",
    "use_preprocessor", "lm", "lm_conf", "model", "model_conf", "init",
)  # fmt: skip


def make_start(
    source: Path,
    target: Shape,
    row: Compression,
    text: Path,
    output: Path,
    config: Mapping[str, Any],
) -> None:
    """Write the weights that a smaller model's training starts from.

    Args:
        source: Folder of the model that it is made of.
        target: Sizes of the smaller one.
        row: How it is made.
        text: The training text.
        output: The file.
        config: Configuration of the smaller model; the weights have to fit it.

    Raises:
        UserError: If the source is damaged or of another kind.
    """
    loaded = merged_model(load_lm(source))
    # A model cut in several steps goes on from the sizes that it has.
    sentences = read_sentences(text, loaded.args)
    make = factored_state if row.method == "low_rank" else cut_parts
    state = make(loaded, target, row.criterion, sentences)
    tokens = loaded.config["token_list"]
    load_state(build_lm({**config, "token_list": tokens}, output), state, output)
    save_state(state, output)


def merged_model(loaded: LanguageModel) -> LanguageModel:
    """Return the same function without factors; the model itself if it has none."""
    if not loaded.shape.ranks:
        return loaded
    return _other(loaded, *merged_state(loaded))


def write_plain(loaded: LanguageModel, folder: Path) -> None:
    """Write the same function as a model of ESPnet's own class.

    Products are multiplied out, and heads that were cut are there with zeros, so the
    file is larger, and what it computes is the same.
    """
    plain = _other(loaded, *padded_state(*merged_state(loaded)))
    config = {key: plain.config[key] for key in _ARCHITECTURE if key in plain.config}
    files = ExperimentPaths(folder)
    save_state(plain.model.state_dict(), files.model_file)
    write_yaml(files.config_file, config)


def _other(loaded: LanguageModel, state: State, shape: Shape) -> LanguageModel:
    name, conf = shape.to_conf(loaded.config.get("lm_conf") or {})
    config = {**loaded.config, "lm": name, "lm_conf": conf}
    model = build_lm(config, loaded.checkpoint)
    load_state(model, state, loaded.checkpoint)
    return LanguageModel(model.eval(), config, shape, loaded.checkpoint)
