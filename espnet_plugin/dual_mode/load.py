"""Load a streaming recogniser from an experiment folder."""

from pathlib import Path
from typing import Any, Optional, Union

from espnet_plugin.checkpoints.audio_scale import audio_scale, fit_to_samples
from espnet_plugin.checkpoints.checkpoint import choose_checkpoint
from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.dual_mode.recogniser import StreamingRecogniser
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.experiment.meta import Meta

__all__ = [
    "check_final_masks",
    "has_learnt_to_stream",
    "load_recogniser",
    "load_streaming_model",
]


def load_recogniser(
    folder: Union[str, Path], chunk_frames: Optional[int] = None, device: str = "cpu"
) -> StreamingRecogniser:
    """Load a streaming recogniser.

    Args:
        folder: Experiment folder with ``config.yaml`` and a checkpoint: a streaming
            model that was cut out, or a supernet, whose mean of the epochs with final
            masks is used if it exists.
        chunk_frames: Encoder frames per chunk; None: the first of the encoder's
            options.
        device: Torch's device.

    Raises:
        UserError: If the folder has no model that can stream, its model was not trained
            to stream, or its masks are not binary.
    """
    from espnet2.text.build_tokenizer import build_tokenizer

    model, args, _ = load_streaming_model(folder, device=device)
    to_text = None
    if args.token_type is not None:
        tokenizer = build_tokenizer(args.token_type, bpemodel=args.bpemodel)
        to_text = tokenizer.tokens2text
    return StreamingRecogniser(model, to_text, chunk_frames)


def load_streaming_model(
    folder: Union[str, Path], name: Optional[str] = None, device: str = "cpu"
) -> tuple[Any, Any, Path]:
    """Load the model of :func:`load_recogniser`.

    Args:
        folder: See :func:`load_recogniser`.
        name: File name of a checkpoint in the folder; None: as in
            :func:`load_recogniser`.
        device: Torch's device.

    Returns:
        ESPnet's model, its training arguments, and the checkpoint.

    Raises:
        UserError: See :func:`load_recogniser`.
    """
    experiment = Experiment(folder)
    _check_mode(experiment)
    checkpoint = experiment.final_masks_file
    if name is not None or not checkpoint.is_file():
        checkpoint = choose_checkpoint(experiment.folder, name)
    model, args = load_asr_model(experiment.config_file, checkpoint, device)
    fit_to_samples(model, audio_scale(folder), folder)
    check_final_masks(model, checkpoint)
    return model, args, checkpoint


def check_final_masks(model: Any, checkpoint: Path) -> None:
    """Check that a model's masks are binary, if it has masks.

    Args:
        model: ESPnet's model.
        checkpoint: Its checkpoint, for the message.

    Raises:
        UserError: If a mask is not; it names the checkpoint.
    """
    pruner = getattr(model.encoder, "pruner", None)
    if pruner is not None:
        try:
            pruner.check_binary()
        except UserError as error:
            raise UserError(f"{checkpoint}: {error}") from error


def has_learnt_to_stream(folder: Union[str, Path]) -> bool:
    """Return whether the model of a dual-mode folder was trained to stream."""
    meta = Experiment(folder).find_meta() or Meta()
    return "streaming" in (meta.modes or (meta.mode or "streaming",))


def _check_mode(experiment: Experiment) -> None:
    """Refuse the full-context model, whose streaming results would be useless."""
    folder = experiment.folder
    if has_learnt_to_stream(folder):
        return
    way_out = "train a row whose modes include streaming"
    other = folder.with_name(f"{folder.name.removesuffix('_full')}_streaming")
    if other.is_dir():
        way_out = f"use {other}"
    raise UserError(
        f"{folder} holds the full-context model, which was not trained to stream: "
        f"{way_out}"
    )
