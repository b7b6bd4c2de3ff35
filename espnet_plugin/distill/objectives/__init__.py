"""Training objectives of students: plain torch modules that are chosen by name.

A new objective is a module in this folder with a registered class (see
``registry.py``); no other file changes.
"""

from importlib import import_module
from pkgutil import iter_modules

from espnet_plugin.distill.objectives.clip import ClipObjective
from espnet_plugin.distill.objectives.frame_contrast import FrameContrastObjective
from espnet_plugin.distill.objectives.outputs import EncoderOutputs
from espnet_plugin.distill.objectives.posteriors import (
    KLObjective,
    MAEObjective,
    MSEObjective,
)
from espnet_plugin.distill.objectives.registry import OBJECTIVES, objective
from espnet_plugin.distill.objectives.resample import resample_outputs
from espnet_plugin.distill.objectives.total import WeightedObjectives

__all__ = [
    "OBJECTIVES",
    "ClipObjective",
    "EncoderOutputs",
    "FrameContrastObjective",
    "KLObjective",
    "MAEObjective",
    "MSEObjective",
    "WeightedObjectives",
    "objective",
    "resample_outputs",
]

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
