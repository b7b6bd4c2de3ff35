"""Language models of ESPnet: configuration, tokens and weights, read strictly."""

import argparse
import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Sequence, Union

from espnet2.lm.espnet_model import ESPnetLanguageModel

from espnet_plugin.checkpoints.checkpoint import choose_checkpoint, read_checkpoint
from espnet_plugin.checkpoints.load import load_state
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.paths import ExperimentPaths
from espnet_plugin.lm.shape import LMShape
from espnet_plugin.names import COMPACT_LM, TRANSFORMER_LM
from espnet_plugin.yaml_files import read_yaml

__all__ = [
    "LanguageModel",
    "build_lm",
    "check_same_tokens",
    "load_lm",
    "read_lm_config",
    "register_compact_lm",
]

PathLike = Union[str, Path]
_OTHERS = {
    "seq_rnn": "a recurrent network (seq_rnn)",
    "transformer_opt": "a pre-trained OPT model",
}


@dataclass(frozen=True)
class LanguageModel:
    """A loaded language model.

    Attributes:
        model: The model, in evaluation mode, on the CPU.
        config: Its configuration.
        shape: Its sizes.
        checkpoint: Path of its weights.
    """

    model: ESPnetLanguageModel
    config: Mapping[str, Any]
    shape: LMShape
    checkpoint: Path

    @property
    def args(self) -> argparse.Namespace:
        """The configuration as a namespace, as ESPnet's functions expect it."""
        return argparse.Namespace(**copy.deepcopy(dict(self.config)))


def register_compact_lm() -> None:
    """Make the class of small models known to ESPnet's LM task; safe to call twice."""
    from espnet2.tasks.lm import lm_choices

    from espnet_plugin.lm.model import CompactTransformerLM

    lm_choices.classes[COMPACT_LM] = CompactTransformerLM


def read_lm_config(path: PathLike) -> dict[str, Any]:
    """Read ``config.yaml`` of a Transformer language model.

    Raises:
        UserError: If it is missing, or not that of a Transformer language model.
    """
    config = read_yaml(path, "the language model's configuration")
    kind = config.get("lm")
    if kind is None or not isinstance(config.get("token_list"), list):
        raise UserError(
            f"{path} is not the configuration of a trained language model (lm or "
            "token_list is missing): give the config.yaml of an ESPnet LM experiment"
        )
    if kind not in (TRANSFORMER_LM, COMPACT_LM):
        raise UserError(
            f"{path}: lm {kind}: this is {_OTHERS.get(kind, 'another model')}; only "
            "Transformer language models can be compressed here: train one with "
            "lm: transformer"
        )
    if config.get("model", "lm") != "lm":
        raise UserError(
            f"{path}: model {config['model']}: only ESPnet's plain language model (lm) "
            "can be compressed"
        )
    return config


def build_lm(config: Mapping[str, Any], where: PathLike) -> ESPnetLanguageModel:
    """Build the model of a configuration, with random weights.

    Args:
        config: The configuration; ``token_list`` holds the tokens.
        where: Path of the configuration, for messages.

    Raises:
        UserError: If ESPnet cannot build it.
    """
    from espnet2.tasks.lm import LMTask

    register_compact_lm()
    args = argparse.Namespace(**{**copy.deepcopy(dict(config)), "init": None})
    for name in ("lm_conf", "model_conf"):
        setattr(args, name, getattr(args, name, None) or {})
    try:
        return LMTask.build_model(args)
    except UserError as error:
        raise UserError(f"{where}: {error}") from error
    except (AssertionError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(
            f"{where}: ESPnet cannot build this language model: {error!r}"
        ) from error


def load_lm(config_file: PathLike, checkpoint: PathLike = "") -> LanguageModel:
    """Load a Transformer language model; all tensors must be present and fit.

    Args:
        config_file: Path of the configuration, or the folder with it.
        checkpoint: Path of the weights; by default chosen in the configuration's
        folder.

    Raises:
        UserError: If a file is missing or damaged, the model is of a different kind, or
            the weights do not fit the model exactly.
    """
    config_file = Path(config_file)
    if config_file.is_dir():
        config_file = ExperimentPaths(config_file).config_file
    config = read_lm_config(config_file)
    path = Path(checkpoint) if checkpoint else choose_checkpoint(config_file.parent)
    state = read_checkpoint(path)
    model = build_lm(config, config_file)
    load_state(model, state, path)
    shape = LMShape.from_conf(config.get("lm_conf") or {}, len(config["token_list"]))
    return LanguageModel(model.eval(), config, shape, path)


def check_same_tokens(
    lm: Sequence[str], recogniser: Sequence[str], lm_name: str, recogniser_name: str
) -> None:
    """Check that two token lists are equal.

    ESPnet does not compare them: if the same number of tokens is in a different order,
    it decodes, but the language model scores the wrong tokens.

    Raises:
        UserError: If they differ; the message names the first difference.
    """
    if list(lm) == list(recogniser):
        return
    if len(lm) != len(recogniser):
        what = f"{len(lm)} tokens and {len(recogniser)}"
    else:
        place = next(i for i, (a, b) in enumerate(zip(lm, recogniser)) if a != b)
        what = (
            f"token {place} is {lm[place]!r} in the first and {recogniser[place]!r} "
            "in the second"
        )
    raise UserError(
        f"the language model {lm_name} and the recogniser {recogniser_name} have "
        f"different token lists ({what}): train the language model with the "
        "recogniser's tokens (--asr_exp)"
    )
