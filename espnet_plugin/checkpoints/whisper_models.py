"""OpenAI's Whisper models by name, as ESPnet builds them, without their weights."""

from contextlib import contextmanager
from typing import Any, Iterator, NamedTuple, Optional

from espnet_plugin.checkpoints.attributes import set_for_now
from espnet_plugin.errors import UserError

__all__ = [
    "MEL_BINS",
    "WhisperSize",
    "build_whisper_offline",
    "import_whisper",
    "whisper_layers",
    "whisper_name",
    "whisper_size",
]

# Number of mel bins that ESPnet's encoder computes, for any model.
MEL_BINS = 80
_AUDIO_FRAMES, _TEXT_TOKENS = 1500, 448
_ENGLISH, _MULTILINGUAL = 51864, 51865


class WhisperSize(NamedTuple):
    """The sizes of a Whisper model; all models have attention heads of width 64.

    Attributes:
        width: Width of encoder and decoder.
        audio_layers: Number of encoder layers.
        text_layers: Number of decoder layers.
        vocabulary: Number of tokens of the decoder.
        mel_bins: Number of mel bins of the encoder's input.
    """

    width: int
    audio_layers: int
    text_layers: int
    vocabulary: int = _MULTILINGUAL
    mel_bins: int = MEL_BINS


# Robust Speech Recognition via Large-Scale Weak Supervision, 2022,
# https://arxiv.org/abs/2212.04356, Table 1; large-v3 and turbo by their model cards.
_SIZES = {
    "tiny": WhisperSize(384, 4, 4),
    "base": WhisperSize(512, 6, 6),
    "small": WhisperSize(768, 12, 12),
    "medium": WhisperSize(1024, 24, 24),
    "large-v1": WhisperSize(1280, 32, 32),
    "large-v2": WhisperSize(1280, 32, 32),
    "large-v3": WhisperSize(1280, 32, 32, 51866, 128),
    "large-v3-turbo": WhisperSize(1280, 32, 4, 51866, 128),
}
_ALIASES = {"large": "large-v3", "turbo": "large-v3-turbo"}


def whisper_size(name: str, where: object) -> WhisperSize:
    """Return the size of a Whisper model.

    Args:
        name: OpenAI's name, e.g. ``small`` or ``tiny.en``.
        where: Where the model is named, for messages.

    Raises:
        UserError: If there is no such model, or ESPnet computes a different number of
            mel bins.
    """
    base = _ALIASES.get(name, name)
    english = base.endswith(".en")
    size = _SIZES.get(base.removesuffix(".en"))
    if size is None or (english and base.startswith("large")):
        known = ", ".join([*_SIZES, *_ALIASES])
        raise UserError(
            f"{where}: whisper_model {name!r} is not known; choose from {known}, "
            "tiny.en, base.en, small.en and medium.en"
        )
    if size.mel_bins != MEL_BINS:
        raise UserError(
            f"{where}: whisper_model {name} takes {size.mel_bins} mel bins, but "
            f"ESPnet's Whisper encoder computes {MEL_BINS}: choose large-v2 or a "
            "smaller model"
        )
    return size._replace(vocabulary=_ENGLISH) if english else size


def whisper_layers(name: object) -> Optional[int]:
    """Return the number of encoder layers of a Whisper model; None if not known.

    Args:
        name: OpenAI's name, e.g. ``small`` or ``tiny.en``.
    """
    base = _ALIASES.get(str(name), str(name)).removesuffix(".en")
    return _SIZES[base].audio_layers if base in _SIZES else None


def whisper_name(width: int, layers: int, mel_bins: int, where: object) -> str:
    """Return the Whisper model whose encoder has this size; see :func:`whisper_size`.

    Of several models the first is returned: the encoders of ``tiny`` and ``tiny.en``
    only differ in their weights.

    Raises:
        UserError: If there is none, or ESPnet computes a different number of mel bins.
    """
    for name, size in _SIZES.items():
        if (size.width, size.audio_layers, size.mel_bins) == (width, layers, mel_bins):
            whisper_size(name, where)  # refuses what takes other mel bins
            return name
    raise UserError(
        f"{where}: {layers} layers of width {width} with {mel_bins} mel bins do not "
        f"match any of Whisper's encoders ({', '.join(_SIZES)}), which ESPnet knows "
        "by name"
    )


def import_whisper(where: object) -> Any:
    """Return the package openai-whisper.

    Args:
        where: What needs it, for messages.

    Raises:
        UserError: If it is not installed.
    """
    way_out = "pip install openai-whisper (the extra espnet_plugin[whisper])"
    try:
        import whisper
        import whisper.audio
        import whisper.model
    except ImportError as error:
        raise UserError(
            f"{where}: a Whisper model needs a package that is not installed here "
            f"({error}): {way_out}"
        ) from error
    if not hasattr(whisper, "load_model"):
        raise UserError(
            f"{where}: the package whisper at {whisper.__file__} is not OpenAI's: "
            f"pip uninstall whisper, then {way_out}"
        )
    return whisper


@contextmanager
def build_whisper_offline(where: object) -> Iterator[None]:
    """Let ``whisper.load_model(name)`` return that model with random weights.

    Args:
        where: What needs it, for messages.

    Raises:
        UserError: If the package is not installed; ``load_model`` raises the errors of
            :func:`whisper_size`.
    """
    whisper = import_whisper(where)

    def load_model(name, device=None, download_root=None, in_memory=False):
        size = whisper_size(name, where)
        heads = size.width // 64
        dims = whisper.model.ModelDimensions(
            n_mels=size.mel_bins,
            n_audio_ctx=_AUDIO_FRAMES,
            n_audio_state=size.width,
            n_audio_head=heads,
            n_audio_layer=size.audio_layers,
            n_vocab=size.vocabulary,
            n_text_ctx=_TEXT_TOKENS,
            n_text_state=size.width,
            n_text_head=heads,
            n_text_layer=size.text_layers,
        )
        return whisper.model.Whisper(dims)

    with set_for_now(whisper, "load_model", load_model):
        # ESPnet imports a constant that openai-whisper 20231106 took out.
        mels = getattr(whisper.audio, "N_MELS", MEL_BINS)
        with set_for_now(whisper.audio, "N_MELS", mels):
            yield
