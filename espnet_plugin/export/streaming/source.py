"""The streaming model that is exported, loaded and checked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Optional

from torch import nn

from espnet_plugin.checkpoints.tokenizer import check_bpemodel
from espnet_plugin.data.front_end import sampling_rate, takes_features
from espnet_plugin.dual_mode.chunking import Chunking
from espnet_plugin.dual_mode.encoder import DualModeConformerEncoder
from espnet_plugin.dual_mode.extract import extract_streaming
from espnet_plugin.dual_mode.features import StreamingFeatures
from espnet_plugin.dual_mode.load import load_streaming_model
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.config import read_config
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.export.check import check_volume
from espnet_plugin.export.facts import DEFAULT_FRONT_END, KALDI_FRONT_END, ModelFacts
from espnet_plugin.export.token_text import TokenText
from espnet_plugin.files import file_checksum

__all__ = ["StreamingSource", "is_streaming", "load_streaming_source"]

_ENCODER = "dual_mode_conformer"
_KALDI_SHIFT_S = 0.010
_TOKEN_TYPES = (None, "char", "bpe", "word", "phn")
_BLANK = "<blank>"


@dataclass(frozen=True)
class StreamingSource(TokenText):
    """A trained model that can stream.

    Attributes:
        model: ESPnet's model in evaluation mode.
        tokenizer: ESPnet's; None: tokens are words.
        encoder: The part of its encoder that streams, cut out, without masks.
        output: The CTC layer's linear map.
        chunking: Chunk, left context and look-ahead in encoder frames.
        facts: The facts that are exported with it.
    """

    model: Any
    tokenizer: Optional[Any]
    encoder: DualModeConformerEncoder
    output: nn.Linear
    chunking: Chunking
    facts: ModelFacts


def is_streaming(experiment: Path) -> bool:
    """Tell whether a folder's model is one for :func:`load_streaming_source`.

    Raises:
        UserError: If its configuration cannot be read.
    """
    return Experiment(experiment).config()["encoder"] == _ENCODER


def load_streaming_source(
    experiment: Path,
    model_file: Optional[str] = None,
    fbank_rate: Optional[int] = None,
    chunk_frames: Optional[int] = None,
) -> StreamingSource:
    """Load a model that can stream.

    Args:
        experiment: Folder with ``config.yaml`` and a checkpoint.
        model_file: Name of the checkpoint; that of ``bin/recognise`` if not given.
        fbank_rate: Rate in Hz of a model that takes this plugin's Kaldi filter banks
            (``--feats_type fbank``), which its configuration does not tell.
        chunk_frames: Encoder frames a chunk; if None, the encoder's first option.

    Raises:
        UserError: If it cannot be loaded, cannot stream, or cannot be exported.
    """
    where = Experiment(experiment).config_file
    config = read_config(where)
    _check_config(config, where, fbank_rate)
    model, args, checkpoint = load_streaming_model(experiment, model_file)
    _check_model(model, where)
    check_bpemodel(args, where)
    encoder = extract_streaming(model.encoder.eval())
    with encoder.using("streaming", None, chunk_frames):
        chunking = encoder.chunking()
    if takes_features(config):
        kind, rate = KALDI_FRONT_END, int(fbank_rate or 0)
        hop = int(rate * _KALDI_SHIFT_S)
    else:
        StreamingFeatures(model.frontend, model.normalize)  # refuses what cannot stream
        kind, rate = DEFAULT_FRONT_END, sampling_rate(config, where)
        hop = model.frontend.hop_length
    parts = (encoder, model.ctc)
    facts = ModelFacts(
        experiment=experiment.resolve().name,
        checkpoint=checkpoint.name,
        checkpoint_sha256=file_checksum(checkpoint),
        encoder=_ENCODER,
        layers=len(encoder.encoders),
        parameters=sum(p.numel() for part in parts for p in part.parameters()),
        front_end=kind,
        feature_dim=encoder.options["input_size"],
        sample_rate=rate,
        hop=hop,
        stride=encoder.embed.stride,
        tokens=tuple(model.token_list),
        blank=model.blank_id,
        drop=tuple(sorted({model.sos, model.eos} - {model.blank_id})),
        token_type=getattr(args, "token_type", None),
    )
    # Here, because it takes long to import.
    from espnet2.text.build_tokenizer import build_tokenizer

    tokenizer = None
    if facts.token_type is not None:
        bpe = {"bpemodel": args.bpemodel} if facts.token_type == "bpe" else {}
        tokenizer = build_tokenizer(facts.token_type, **bpe)
    output = model.ctc.ctc_lo
    return StreamingSource(model, tokenizer, encoder, output, chunking, facts)


def _check_config(
    config: Mapping[str, Any], where: Path, fbank_rate: Optional[int]
) -> None:
    if config["encoder"] != _ENCODER:
        raise UserError(
            f"{where}: encoder {config['encoder']} cannot stream; train with `encoder: "
            f"{_ENCODER}`, or export it for whole utterances"
        )
    if config.get("decoder") == "transducer":
        raise UserError(
            f"{where}: decoder transducer: its search cannot be exported; train with "
            "a CTC layer alone (model_conf.ctc_weight: 1.0)"
        )
    if (config.get("model_conf") or {}).get("ctc_weight") == 0.0:
        raise UserError(
            f"{where}: model_conf.ctc_weight is 0: the model has no CTC layer; train "
            "with a ctc_weight above 0"
        )
    check_volume(config, where)
    for part in ("preencoder", "postencoder"):
        if config.get(part):
            raise UserError(
                f"{where}: {part} {config[part]} cannot stream; train without it"
            )
    if config.get("token_type") not in _TOKEN_TYPES:
        raise UserError(
            f"{where}: token_type {config['token_type']}: a device can only join the "
            "tokens of char, bpe, word or phn"
        )
    if config.get("normalize") not in (None, "global_mvn"):
        raise UserError(
            f"{where}: normalize {config['normalize']} needs the whole utterance; "
            "train with global_mvn or none"
        )
    if not takes_features(config):
        if fbank_rate is not None:
            raise UserError(
                f"--fbank_rate {fbank_rate}: {where} has its own front end, so the "
                "model takes audio; leave the option out"
            )
    elif fbank_rate is None:
        raise UserError(
            f"{where}: the model takes features, but a stream consists of audio; if "
            "they are this plugin's --feats_type fbank, give --fbank_rate"
        )
    elif fbank_rate < 1000:
        raise UserError(f"--fbank_rate {fbank_rate}: must be in Hz, e.g. 16000")


def _check_model(model, where: Path) -> None:
    if getattr(model, "ctc", None) is None:
        raise UserError(f"{where}: the model has no CTC layer to export")
    if model.blank_id != 0 or model.token_list[0] != _BLANK:
        raise UserError(
            f"{where}: token 0 is {model.token_list[0]!r} and the blank is token "
            f"{model.blank_id}: device runtimes need {_BLANK} as token 0"
        )
