"""Building models of pre-trained parts without fetching the pre-trained weights.

ESPnet's constructors of such parts download what they were pre-trained to. A checkpoint
of the whole model holds all of these weights anyway, as they were fine-tuned. So while
a model is built that a checkpoint is loaded into afterwards, the packages behind these
parts return the same architecture with random weights. That takes a package that knows
the architecture without the file of weights, which is true of Whisper alone.
"""

from contextlib import contextmanager
from typing import Any, Iterator, Mapping, Optional

from espnet_plugin.checkpoints.whisper_models import build_whisper_offline

__all__ = ["fetched_part", "pip_command", "without_downloads"]

# What ESPnet's optional parts are installed by.
_PACKAGES = {
    "s3prl": "s3prl transformers",
    "fused": "s3prl transformers",
    "huggingface": "transformers",
    "hugging_face_transformers": "transformers",
    "whisper": "openai-whisper",
}

# Parts that ESPnet builds by a download, where nothing can be done about it here.
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
    """Let ESPnet build the model of a configuration without any download.

    The pre-trained parts have random weights then: whoever builds a model here has to
    load all of its tensors afterwards.

    That is ``whisper`` as encoder, decoder or front end: the architecture follows from
    the model's name (``whisper_model``). Of other parts see :func:`fetched_part`.

    Args:
        config: Configuration of ESPnet's ASR task.
        where: Its file, for messages.

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
    """Say which part of a configuration ESPnet cannot build without network, and why.

    None where there is no such part.
    """
    for (option, name), reason in _FETCHED.items():
        if config.get(option) == name:
            return (
                f"{option}: {name} cannot be built without a network connection, "
                f"because {reason}"
            )
    return None


def pip_command(config: Mapping[str, Any]) -> Optional[str]:
    """Return what installs the packages of a configuration's pre-trained parts."""
    options = ("frontend", "encoder", "postencoder", "decoder")
    for part in (config.get(option) for option in options):
        if part in _PACKAGES:
            return f"pip install {_PACKAGES[part]}"
    return None
