"""Write an ESPnet experiment with a Whisper encoder and a random CTC layer."""

import logging
from pathlib import Path
from typing import Any, Optional

import torch

from espnet_plugin.checkpoints.load import build_asr_model, load_state
from espnet_plugin.checkpoints.plain import write_model_files
from espnet_plugin.data.tokens import read_token_list
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.files import write_lines
from espnet_plugin.reference.whisper_files import read_whisper_encoder

__all__ = ["write_whisper_start"]


# Prefix of the tensors of Whisper's encoder in ESPnet's model.
_INSIDE = "encoder.encoders."


def write_whisper_start(
    weights: Path,
    token_list: Path,
    output_dir: Path,
    token_type: str = "char",
    bpemodel: Optional[Path] = None,
    seed: int = 1,
) -> Path:
    """Write ``config.yaml``, a checkpoint and ``tokens.txt`` of a stock ESPnet model.

    Args:
        weights: See :func:`read_whisper_encoder`.
        token_list: Path of the tokens, one per line, ``<blank>`` first.
        output_dir: The folder to create.
        token_type: ``char`` or ``bpe``.
        bpemodel: Path of the BPE model, for ``bpe``.
        seed: Seed of the CTC layer's random weights.

    Returns:
        Path of the checkpoint.

    Raises:
        UserError: If a file cannot be read or lacks a tensor, or the folder is not
            empty.
    """
    if output_dir.exists() and (not output_dir.is_dir() or any(output_dir.iterdir())):
        raise UserError(f"--output_dir {output_dir} is not empty: choose another one")
    if (token_type == "bpe") != (bpemodel is not None):
        raise UserError(
            f"--token_type {token_type} and --bpemodel {bpemodel}: a BPE model must "
            "be given with token type bpe, and only then"
        )
    if any(one.is_file() for one in output_dir.parents):
        raise UserError(
            f"--output_dir {output_dir} is below a file: choose another one"
        )
    tokens = _read_tokens(token_list)
    if bpemodel is not None:
        if not bpemodel.is_file():
            raise UserError(f"--bpemodel {bpemodel} is missing: name an existing file")
        _check_bpe(bpemodel)
    encoder = read_whisper_encoder(weights)
    config = _config(encoder.name, tokens, token_type, bpemodel)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model, _ = build_asr_model(config, output_dir)
    state = model.state_dict()
    ours = {f"{_INSIDE}{key}": value for key, value in encoder.state.items()}
    # What the file lacks would stay random.
    lacking = [one for one in state if one.startswith(_INSIDE) and one not in ours]
    if lacking:
        raise UserError(
            f"--weights {weights} lacks {lacking[0].removeprefix(_INSIDE)} of Whisper "
            f"{encoder.name}'s encoder ({len(lacking)} of its tensors in all): copy or "
            "download the file again"
        )
    load_state(model, {**state, **ours}, weights)
    experiment = Experiment(output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    write_lines(output_dir / "tokens.txt", tokens)
    write_model_files(config, model.state_dict(), experiment.model_file)
    logging.info(
        "%s: the encoder of Whisper %s and a random CTC layer of %d tokens",
        experiment.model_file,
        encoder.name,
        len(tokens),
    )
    return experiment.model_file


def _read_tokens(path: Path) -> list[str]:
    if not path.is_file():
        raise UserError(
            f"--token_list {path} is missing: run stage 2 of a recipe, which makes it"
        )
    try:
        return read_token_list(path)
    except UserError as error:
        raise UserError(f"--token_list {error}") from error


def _check_bpe(path: Path) -> None:
    # Here, because only models with BPE need it.
    import sentencepiece

    try:
        sentencepiece.SentencePieceProcessor(model_file=str(path))
    except (OSError, RuntimeError) as error:
        raise UserError(f"--bpemodel {path} cannot be read: {error}") from error


def _config(
    name: str, tokens: list[str], token_type: str, bpemodel: Optional[Path]
) -> dict[str, Any]:
    return {
        "token_list": tokens,
        "token_type": token_type,
        "bpemodel": None if bpemodel is None else str(bpemodel.absolute()),
        "non_linguistic_symbols": None,
        "cleaner": None,
        "g2p": None,
        "use_preprocessor": True,
        # The encoder takes audio; with input_size, ESPnet builds no front end.
        "input_size": 1,
        "frontend": None,
        "frontend_conf": {},
        "specaug": None,
        "specaug_conf": {},
        "normalize": None,
        "normalize_conf": {},
        "preencoder": None,
        "preencoder_conf": {},
        "encoder": "whisper",
        "encoder_conf": {"whisper_model": name},
        "postencoder": None,
        "postencoder_conf": {},
        "decoder": None,
        "decoder_conf": {},
        "ctc_conf": {},
        "model": "espnet",
        "model_conf": {"ctc_weight": 1.0},
        "init": None,
    }
