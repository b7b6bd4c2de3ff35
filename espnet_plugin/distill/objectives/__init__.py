"""What a student is trained to match: plain torch modules, chosen by name."""

from espnet_plugin.distill.objectives.clip import ClipObjective
from espnet_plugin.distill.objectives.outputs import EncoderOutputs
from espnet_plugin.distill.objectives.posteriors import (
    KLObjective,
    MAEObjective,
    MSEObjective,
)
from espnet_plugin.distill.objectives.resample import resample_outputs
from espnet_plugin.distill.objectives.total import OBJECTIVES, WeightedObjectives

__all__ = [
    "OBJECTIVES",
    "ClipObjective",
    "EncoderOutputs",
    "KLObjective",
    "MAEObjective",
    "MSEObjective",
    "WeightedObjectives",
    "resample_outputs",
]
