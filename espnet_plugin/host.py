"""Registers this plugin's classes with ESPnet.

ESPnet has no entry points: its registries are dictionaries, read when a parser or a
model is built. So every process that builds one of our models has to call
:func:`register` first:

- Commands (``espnet_plugin.bin``) do it in ``bin/run.py``.
- Task modules do it when they are imported. This includes spawned ranks, which import
them to unpickle a task.
- ``espnet_plugin.launch`` does it for ESPnet's own modules.
- Your own Python code has to call it once, before it builds or loads a model::

      from espnet_plugin import host

      host.register()

ESPnet is only imported inside the functions, because that takes many seconds.
"""

from espnet_plugin.names import (
    BEST_RQ,
    DUAL_MODE,
    DUAL_MODE_MODEL,
    DUAL_MODE_SSL,
    ENCRL,
    PRUNED,
    SPAN_MASK,
    WAV2VEC2,
)

__all__ = ["register", "register_lm", "register_ssl"]


def register() -> None:
    """Make this plugin's classes known to ESPnet's ASR task; safe to call twice."""
    from espnet2.tasks.asr import encoder_choices, model_choices

    from espnet_plugin.distill.model import ESPnetEncRLModel
    from espnet_plugin.dual_mode.encoder import DualModeConformerEncoder
    from espnet_plugin.dual_mode.model import ESPnetDualModeModel
    from espnet_plugin.pruning.model import ESPnetPrunedModel

    encoder_choices.classes[DUAL_MODE] = DualModeConformerEncoder
    model_choices.classes[ENCRL] = ESPnetEncRLModel
    model_choices.classes[PRUNED] = ESPnetPrunedModel
    model_choices.classes[DUAL_MODE_MODEL] = ESPnetDualModeModel


def register_ssl() -> None:
    """Make this plugin's classes known to ESPnet's SSL task; safe to call twice.

    The loss of wav2vec 2.0 can also be used with ESPnet's own SSL model and encoders.
    """
    from espnet2.tasks import ssl

    from espnet_plugin.dual_mode.encoder import DualModeConformerEncoder
    from espnet_plugin.self_supervised.best_rq_loss import BestRQLoss
    from espnet_plugin.self_supervised.loss import Wav2Vec2Loss
    from espnet_plugin.self_supervised.masking import SpanMask
    from espnet_plugin.self_supervised.model import ESPnetDualModeSSLModel

    ssl.encoder_choices.classes[DUAL_MODE] = DualModeConformerEncoder
    ssl.loss_choices.classes[WAV2VEC2] = Wav2Vec2Loss
    ssl.loss_choices.classes[BEST_RQ] = BestRQLoss
    ssl.util_choices.classes[SPAN_MASK] = SpanMask
    ssl.model_choices.classes[DUAL_MODE_SSL] = ESPnetDualModeSSLModel


def register_lm() -> None:
    """Make this plugin's class known to ESPnet's LM task; safe to call twice."""
    from espnet_plugin.lm.load import register_compact_lm

    register_compact_lm()
