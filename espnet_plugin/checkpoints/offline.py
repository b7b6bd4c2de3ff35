"""Build models with pre-trained parts without downloading pre-trained weights.

ESPnet's constructors of such parts download their weights. A checkpoint of the whole
model has all of these weights after fine-tuning. So while a model is built for such a
checkpoint, the packages of these parts return the same architecture with random
weights. The package must know the architecture without the file of weights, which is
only true of Whisper.
"""

from contextlib import contextmanager
from typing import Any, Iterator, Mapping, Optional

from espnet_plugin.checkpoints.whisper_models import build_whisper_offline

__all__ = ["fetched_part", "pip_command", "without_downloads"]

# Packages of ESPnet's optional parts.
_PACKAGES = {
    "s3prl": "s3prl transformers",
    "fused": "s3prl transformers",
    "huggingface": "transformers",
    "hugging_face_transformers": "transformers",
    "whisper": "openai-whisper",
}

# Parts that ESPnet can only build with a download.
_FETCHED = {
    (
        "frontend",
        "s3prl",
    ): "its architecture is only stored in the file that s3prl downloads (once; the "
    "file is then in ~/.cache/s3prl/download and can be copied to this machine)",
    (
        "frontend",
        "fused",
    ): "the architecture of a pre-trained part is only stored in the file that its "
    "package downloads",
    (
        "frontend",
        "huggingface",
    ): "its architecture and its feature extractor are only described on the "
    "Hugging Face hub",
    ("frontend", "espnet_ssl"): "its architecture is in the configuration of the SSL "
    "model that frontend_conf.path_or_url names",
    ("encoder", "wav2vec2"): "its architecture is in the fairseq checkpoint that "
    "encoder_conf.w2v_url names",
    ("encoder", "hubert"): "its architecture is in the fairseq checkpoint that "
    "encoder_conf.hubert_url names",
    ("encoder", "avhubert"): "its architecture is in the fairseq checkpoint that "
    "encoder_conf.avhubert_url names",
    ("postencoder", "hugging_face_transformers"): "its architecture is described on "
    "the Hugging Face hub only",
    ("decoder", "hugging_face_transformers"): "its architecture is described on the "
    "Hugging Face hub only",
}


@contextmanager
def without_downloads(config: Mapping[str, Any], where: object) -> Iterator[None]:
    """Let ESPnet build the model of a configuration without downloads.

    Pre-trained parts have random weights then, so all tensors of the model have to be
    loaded afterwards.

    This works for ``whisper`` as encoder, decoder or front end, whose architecture
    follows from the name of the model (``whisper_model``). For other parts see
    :func:`fetched_part`.

    Args:
        config: Configuration of ESPnet's ASR task.
        where: File of the configuration, for messages.

    Raises:
        UserError: If a needed package is missing or a name is not known.
    """
    options = ("frontend", "encoder", "decoder")
    if "whisper" in {config.get(option) for option in options}:
        with build_whisper_offline(where):
            yield
    else:
        yield


def fetched_part(config: Mapping[str, Any]) -> Optional[str]:
    """Return which part of a model ESPnet cannot build without network, and why.

    The result is None if there is no such part.
    """
    for (option, name), reason in _FETCHED.items():
        if config.get(option) == name:
            return (
                f"{option}: {name} cannot be built without a network connection, "
                f"because {reason}"
            )
    return None


def pip_command(config: Mapping[str, Any]) -> Optional[str]:
    """Return the command that installs the packages of pre-trained parts."""
    options = ("frontend", "encoder", "postencoder", "decoder")
    for part in (config.get(option) for option in options):
        if part in _PACKAGES:
            return f"pip install {_PACKAGES[part]}"
    return None
