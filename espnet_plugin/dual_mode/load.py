"""A streaming recogniser from an experiment folder."""

from pathlib import Path
from typing import Optional, Union

from espnet_plugin.checkpoints.checkpoint import choose_checkpoint
from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.dual_mode.recogniser import StreamingRecogniser
from espnet_plugin.errors import UserError
from espnet_plugin.files import read_json

__all__ = ["AVERAGED", "has_learnt_to_stream", "load_recogniser"]

# Of epochs with final masks only; ESPnet's own average may hold others.
AVERAGED = "valid.cer_final.averaged.pth"


def load_recogniser(
    folder: Union[str, Path], chunk_frames: Optional[int] = None, device: str = "cpu"
) -> StreamingRecogniser:
    """Load a streaming recogniser.

    Args:
        folder: With ``config.yaml`` and a checkpoint: what was cut out for the device,
            or a supernet, of which ``AVERAGED`` is taken if it is there.
        chunk_frames: Encoder frames a chunk; the first of the encoder's options if
            None.
        device: torch's.

    Raises:
        UserError: If the folder holds no model that can stream, or one that has not
            learnt to, or its masks are an average over moving ones.
    """
    from espnet2.text.build_tokenizer import build_tokenizer

    folder = Path(folder)
    _check_mode(folder)
    own = folder / AVERAGED
    checkpoint = own if own.is_file() else choose_checkpoint(folder)
    model, args = load_asr_model(folder / "config.yaml", checkpoint, device)
    pruner = getattr(model.encoder, "pruner", None)
    if pruner is not None:
        try:
            pruner.check_binary()
        except UserError as error:
            raise UserError(f"{checkpoint}: {error}") from error
    to_text = None
    if args.token_type is not None:
        tokenizer = build_tokenizer(args.token_type, bpemodel=args.bpemodel)
        to_text = tokenizer.tokens2text
    return StreamingRecogniser(model, to_text, chunk_frames)


def has_learnt_to_stream(folder: Union[str, Path]) -> bool:
    """Tell whether a dual-mode folder is of the streaming mode, or of both."""
    meta = Path(folder) / "meta.json"
    known = read_json(meta) if meta.is_file() else {}
    modes = known.get("modes") or [known.get("mode") or "streaming"]
    return "streaming" in modes


def _check_mode(folder: Path) -> None:
    """Refuse the full-context model: it would stream, and say nonsense."""
    if has_learnt_to_stream(folder):
        return
    way_out = "train a row whose modes have streaming"
    other = folder.with_name(f"{folder.name.removesuffix('_full')}_streaming")
    if other.is_dir():
        way_out = f"take {other}"
    raise UserError(
        f"{folder} holds the full-context model, which has not learnt to stream: "
        f"{way_out}"
    )
