"""The teacher's stored outputs as a run of their own, which several trainings share."""

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
    """Return a run without its teacher's cache, and the cache as the run before it.

    Each training's cost.json has what the cache cost in full, since a training's cost
    does not depend on others. Trainings of one family that read the same cache paid for
    it once; so it is a run of its own, named after what it was made of.

    Args:
        run: A shared run, the cache in its cost.
        cost: Its cost.json. Files of earlier versions do not say what the cache was
            made of; the run then stays as it is.

    Returns:
        The run, and that of the cache; None if it is not set apart.
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
