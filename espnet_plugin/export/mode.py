"""In which mode a model is exported: for whole utterances, or chunk by chunk."""

from pathlib import Path
from typing import Optional

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.experiment.meta import Meta
from espnet_plugin.names import DUAL_MODE

__all__ = ["FULL", "MODES", "STREAMING", "export_mode", "knows_mode"]

FULL, STREAMING = MODES = ("full", "streaming")


def export_mode(experiment: Path, wanted: Optional[str] = None) -> str:
    """Return the mode that a model is exported in.

    Args:
        experiment: Its folder.
        wanted: The mode that was asked for; None: streaming if it has learnt to.

    Raises:
        UserError: If its configuration cannot be read, or it cannot stream though it
            is asked to.
    """
    encoder = Experiment(experiment).config()["encoder"]
    if encoder != DUAL_MODE:
        if wanted == STREAMING:
            raise UserError(
                f"--mode streaming: {experiment} has the encoder {encoder}, which "
                "needs whole utterances: leave the option out, or train with "
                f"encoder: {DUAL_MODE}"
            )
        return FULL
    if wanted is not None:
        return wanted
    return STREAMING if knows_mode(experiment, STREAMING) else FULL


def knows_mode(experiment: Path, mode: str) -> bool:
    """Tell whether a model of two modes has learnt one of them.

    A folder that does not name its modes is assumed to know both.
    """
    meta = Experiment(experiment).find_meta() or Meta()
    learnt = meta.modes or ((meta.mode,) if meta.mode else MODES)
    return mode in learnt
