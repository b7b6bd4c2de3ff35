"""The names under which ESPnet knows this plugin's classes.

This module imports nothing, so that names are available without importing ESPnet, which
takes many seconds. ``host.py`` registers the classes.
"""

__all__ = [
    "BEST_RQ",
    "COMPACT_LM",
    "DUAL_MODE",
    "DUAL_MODE_MODEL",
    "DUAL_MODE_SSL",
    "ENCRL",
    "ESPNET",
    "HEARING_ENCODERS",
    "OWN_OPTIONS",
    "PRUNED",
    "SPAN_MASK",
    "TRANSFORMER_LM",
    "WAV2VEC2",
]

# ESPnet's registries only accept lower-case names.
ESPNET = "espnet"  # ESPnet's own model of the ASR task
ENCRL = "encrl"  # a model of the ASR task
PRUNED = "pruned"  # a model of the ASR task
DUAL_MODE = "dual_mode_conformer"  # an encoder
DUAL_MODE_MODEL = "dual_mode"  # a model of the ASR task
DUAL_MODE_SSL = "dual_mode"  # a model of the SSL task
WAV2VEC2 = "wav2vec2"  # a loss of the SSL task
BEST_RQ = "best_rq"  # a loss of the SSL task
SPAN_MASK = "span_mask"  # a utility (`util`) of the SSL task
TRANSFORMER_LM = "transformer"  # ESPnet's own model of the LM task
COMPACT_LM = "compact_transformer"  # a model of the LM task

# Encoders of ESPnet that take samples, without a front end.
HEARING_ENCODERS = (
    "whisper",
    "wav2vec2",
    "hubert",
    "hubert_pretrain",
    "torchaudiohubert",
    "beats",
)

# Options that our training of stock models adds to ESPnet's. They are not in the
# configuration of a finished model.
OWN_OPTIONS = ("ctc_start", "data_selection_conf", "on_plateau")
