"""A streaming recogniser from an experiment folder."""

from pathlib import Path
from typing import Optional, Union

from espnet_plugin.dual_mode.recogniser import StreamingRecogniser
from espnet_plugin.export.checkpoint import choose_checkpoint
from espnet_plugin.export.load import load_asr_model

__all__ = ["load_recogniser"]


def load_recogniser(
    folder: Union[str, Path], chunk_frames: Optional[int] = None, device: str = "cpu"
) -> StreamingRecogniser:
    """Load a streaming recogniser.

    Args:
        folder: With ``config.yaml`` and a checkpoint: what was cut out for the device,
            or a supernet.
        chunk_frames: Encoder frames a chunk; the first of the encoder's options if
            None.
        device: torch's.

    Raises:
        UserError: If the folder holds no model that can stream.
    """
    from espnet2.text.build_tokenizer import build_tokenizer

    folder = Path(folder)
    checkpoint = choose_checkpoint(folder)
    model, args = load_asr_model(folder / "config.yaml", checkpoint, device)
    to_text = None
    if args.token_type is not None:
        tokenizer = build_tokenizer(args.token_type, bpemodel=args.bpemodel)
        to_text = tokenizer.tokens2text
    return StreamingRecogniser(model, to_text, chunk_frames)
