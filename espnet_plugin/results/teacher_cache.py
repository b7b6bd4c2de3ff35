"""Treat the teacher cache as a separate run that several trainings share."""

from dataclasses import fields, replace
from typing import Any, Mapping, Optional

from espnet_plugin.results.row import TrainingCost
from espnet_plugin.results.shared_run import SharedRun

__all__ = ["with_cache_apart"]

_CACHE = "teacher_cache"
# Keys of cost.json by the fields of `TrainingCost`.
_KEYS = {"train_flops": "flops"}


def with_cache_apart(
    run: SharedRun, cost: Mapping[str, Any]
) -> tuple[SharedRun, Optional[SharedRun]]:
    """Separate the cost of the teacher cache from a run.

    The cost.json of each training includes the full cost of the cache, because the cost
    of a training must not depend on others. But trainings of a family that used the
    same cache only paid for it once. So the cache becomes a run of its own, named by
    the checksum of its inputs.

    Args:
        run: A shared run whose cost includes the cache.
        cost: Content of its cost.json. In files of earlier versions the inputs of the
            cache are not known; the run is then not changed.

    Returns:
        The run without the cache, and the run of the cache, which comes before it; None
        if they are not separated.
    """
    digest = (cost.get("made_of") or {}).get(_CACHE)
    figures = (cost.get("once") or {}).get(_CACHE)
    if not digest or not figures:
        return run, None
    mine = {
        field.name: figures.get(_KEYS.get(field.name, field.name))
        for field in fields(TrainingCost)
    }
    rest = {
        name: getattr(run.training, name) - value
        for name, value in mine.items()
        if value is not None and getattr(run.training, name) is not None
    }
    cache = SharedRun(
        name=f"{_CACHE}_{digest[:12]}",
        serves=run.serves,
        after=run.after,
        reference=run.reference,
        training=TrainingCost(**{**mine, "train_flops": mine["train_flops"] or 0}),
    )
    return (
        replace(run, after=cache.name, training=replace(run.training, **rest)),
        cache,
    )
