"""Where scripts written for earlier versions find the loading of models.

New code takes :mod:`espnet_plugin.checkpoints.load`.
"""

from espnet_plugin.checkpoints.load import load_asr_model

__all__ = ["load_asr_model"]
