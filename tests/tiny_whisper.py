"""A Whisper model of the smallest size with random weights, and its file."""

from pathlib import Path
from types import SimpleNamespace

import torch


class NoNetwork(Exception):
    """Somebody wanted the network."""


def block_network(monkeypatch) -> None:
    """Refuse every connection and every look-up of a host in this process."""
    import socket

    def refuse(*args, **kwargs):
        raise NoNetwork(f"{args}")

    for name in ("getaddrinfo", "gethostbyname", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def build_tiny_whisper(folder: Path, seed: int = 0) -> SimpleNamespace:
    """Write ``tiny.en.pt`` as ``whisper.load_model`` downloads it, with random weights.

    Returns:
        ``model`` and the file's ``path``.
    """
    import whisper

    dims = dict(
        n_mels=80,
        n_audio_ctx=1500,
        n_audio_state=384,
        n_audio_head=6,
        n_audio_layer=4,
        n_vocab=51864,
        n_text_ctx=448,
        n_text_state=384,
        n_text_head=6,
        n_text_layer=4,
    )
    torch.manual_seed(seed)
    model = whisper.model.Whisper(whisper.model.ModelDimensions(**dims)).eval()
    with torch.no_grad():
        # Never initialised: openai-whisper only ever loads it.
        model.decoder.positional_embedding.normal_(0.0, 0.01)
    path = folder / "tiny.en.pt"
    torch.save({"dims": dims, "model_state_dict": model.state_dict()}, path)
    return SimpleNamespace(model=model, path=path)
