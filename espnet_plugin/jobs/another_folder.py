"""What to do when a job's folder already holds the result of different inputs."""

from typing import Any

from espnet_plugin.jobs.requests import (
    DualModeRequest,
    EncRLRequest,
    LMRequest,
    PretrainingRequest,
)

__all__ = ["another_folder"]

_ROW = "in stage 5, copy the row's file under another name in --row_dir"


def another_folder(request: Any) -> str:
    """Return which options of the recipes give a job another folder.

    Args:
        request: A dataclass of :mod:`espnet_plugin.jobs.requests`.

    Returns:
        The end of a sentence that starts with "delete the folder, or".
    """
    if isinstance(request, EncRLRequest):
        return "choose another --tag or --expdir"
    if isinstance(request, (LMRequest, DualModeRequest)):
        return f"choose another --expdir ({_ROW}, and name the copy with --rows)"
    if isinstance(request, PretrainingRequest):
        return "choose another --expdir"
    # The name of a baseline's file is in its folder's name, but no option is.
    return (
        "choose another --expdir (in stage 4 also --reference_exp, in stage 6 --tag; "
        "in stage 8, copy the baseline's file under another name in --baseline_dir, "
        "with a variant of its own for the tables, and name the copy with --baselines)"
    )
