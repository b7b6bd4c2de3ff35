"""The trained model that is exported, loaded and checked."""

import argparse
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Optional

import numpy as np
import torch
from espnet2.text.build_tokenizer import build_tokenizer

from espnet_plugin.checkpoints.audio_scale import audio_scale, fit_to_samples
from espnet_plugin.checkpoints.checkpoint import choose_checkpoint
from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.checkpoints.tokenizer import check_bpemodel
from espnet_plugin.data.fbank import kaldi_fbank
from espnet_plugin.data.frame_centres import frame_centres
from espnet_plugin.data.front_end import sampling_rate, takes_features
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.config import read_config
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.export.check import check_config, check_model
from espnet_plugin.export.facts import DEFAULT_FRONT_END, KALDI_FRONT_END, ModelFacts
from espnet_plugin.export.graph.encoder import encoder_stride
from espnet_plugin.export.mode import FULL, knows_mode
from espnet_plugin.export.token_text import TokenText
from espnet_plugin.files import file_checksum
from espnet_plugin.names import DUAL_MODE

__all__ = ["Source", "load_source"]

_KALDI_SHIFT_S = 0.010


@dataclass(frozen=True)
class Source(TokenText):
    """A trained model.

    Attributes:
        model: ESPnet's model in evaluation mode.
        facts: The facts that are exported with it.
        tokenizer: ESPnet's; None: tokens are words.
    """

    model: torch.nn.Module
    facts: ModelFacts
    tokenizer: Optional[Any] = None

    def stock_input(self, samples: np.ndarray) -> torch.Tensor:
        """Return what ESPnet's model takes for audio: samples or Kaldi features.

        Raises:
            UserError: If it takes features of an unknown kind.
        """
        if self.facts.front_end == DEFAULT_FRONT_END:
            return torch.from_numpy(samples)
        if self.facts.front_end == KALDI_FRONT_END:
            rate, dim = self.facts.sample_rate, self.facts.feature_dim
            return torch.from_numpy(kaldi_fbank(samples, rate, dim))
        raise UserError(
            f"{self.facts.experiment} takes features of an unknown kind, so it cannot "
            "be tested with audio; remove --dev, or give --fbank_rate"
        )


def load_source(
    experiment: Path,
    model_file: Optional[str] = None,
    fbank_rate: Optional[int] = None,
) -> Source:
    """Load an experiment's model.

    Args:
        experiment: Folder with ``config.yaml`` and checkpoints.
        model_file: Name of the checkpoint; the best average if not given.
        fbank_rate: Rate in Hz of a model that takes this plugin's Kaldi filter banks
            (``--feats_type fbank``), which its configuration does not tell.

    Raises:
        UserError: If it cannot be loaded or exported.
    """
    where = Experiment(experiment).config_file
    config = read_config(where)
    check_config(config, where)
    checkpoint = _checkpoint(experiment, config, model_file)
    features = takes_features(config)
    if features and config.get("input_size") is None:
        raise UserError(
            f"{where}: a model without frontend needs input_size, which is missing"
        )
    if fbank_rate is not None and not features:
        raise UserError(
            f"--fbank_rate {fbank_rate}: {where} has its own front end, so the model "
            "takes audio; leave the option out"
        )
    if features and fbank_rate is None:
        logging.info(
            "%s takes features, so the exported model does too; if they are this "
            "plugin's --feats_type fbank, give --fbank_rate to put them into the "
            "graph",
            where,
        )
    model, args = load_asr_model(where, checkpoint)
    check_bpemodel(args, where)
    # A device hands it samples in [-1, 1], and so does what checks the export.
    fit_to_samples(model, audio_scale(experiment, config), experiment)
    if config["encoder"] == DUAL_MODE:
        _use_full_mode(model.encoder, where)
    check_model(model, where)
    if features:
        kind = None if fbank_rate is None else KALDI_FRONT_END
        rate = fbank_rate
        hop = None if rate is None else int(rate * _KALDI_SHIFT_S)
        dim = int(config["input_size"])
    else:
        kind, rate = DEFAULT_FRONT_END, sampling_rate(config, where)
        hop, dim = model.frontend.hop_length, model.frontend.output_size()
    parts = (model.encoder, model.ctc)
    centres = None if features else frame_centres(model, config, rate)
    facts = ModelFacts(
        experiment=experiment.resolve().name,
        checkpoint=checkpoint.name,
        checkpoint_sha256=file_checksum(checkpoint),
        encoder=config["encoder"],
        layers=len(model.encoder.encoders),
        parameters=sum(p.numel() for part in parts for p in part.parameters()),
        front_end=kind,
        feature_dim=dim,
        sample_rate=rate,
        hop=hop,
        stride=encoder_stride(model.encoder),
        tokens=tuple(model.token_list),
        blank=model.blank_id,
        drop=tuple(sorted({model.sos, model.eos} - {model.blank_id})),
        token_type=getattr(args, "token_type", None),
        first_frame_ms=None if centres is None else 1000.0 * centres.first,
    )
    return Source(model, facts, _tokenizer(args))


def _checkpoint(
    experiment: Path, config: Mapping[str, Any], model_file: Optional[str]
) -> Path:
    if config["encoder"] == DUAL_MODE:
        if not knows_mode(experiment, FULL):
            raise UserError(
                f"{experiment} holds a model that was not trained for whole "
                "utterances: export it with --mode streaming, or train a row whose "
                "modes include full"
            )
        final = Experiment(experiment).final_masks_file
        if model_file is None and final.is_file():
            return final
    ctc_only = (config.get("model_conf") or {}).get("ctc_weight") == 1.0
    return choose_checkpoint(experiment, model_file, ctc_only)


def _use_full_mode(encoder: torch.nn.Module, where: Path) -> None:
    """Let an encoder of two modes hear whole utterances, with all its weights."""
    if encoder.options["streaming_only"]:
        raise UserError(
            f"{where}: encoder_conf.streaming_only: the encoder was made for "
            "streaming, and half of its kernels were removed: export it with --mode "
            "streaming, or export the model it was made from"
        )
    encoder.mode = FULL
    encoder.pruner = None  # only the other mode uses masks


def _tokenizer(args: argparse.Namespace) -> Optional[Any]:
    kind = getattr(args, "token_type", None)
    if kind is None:
        return None
    if kind == "bpe":
        return build_tokenizer("bpe", bpemodel=args.bpemodel)
    return build_tokenizer(kind)
