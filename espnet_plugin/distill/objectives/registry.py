"""The objectives by name, with the outputs that each of them uses."""

from typing import Callable, Literal, TypeVar

from torch import nn

__all__ = ["OBJECTIVES", "objective"]

# Filled as the modules of this folder are imported.
OBJECTIVES: dict[str, type[nn.Module]] = {}

T = TypeVar("T", bound=type[nn.Module])


def objective(
    name: str,
    looks_at: Literal["encodings", "posteriors"],
    single_frames: bool = False,
) -> Callable[[T], T]:
    """Register an objective, a module that is called with student and teacher outputs.

    All modules of this folder are imported, so a class in a new module is found. The
    decorator must be on one line with the name first, because ``recipe/choices.py``
    reads the names from the source (importing torch would take seconds).

    Args:
        name: Name in configurations, on the command line and in statistics.
        looks_at: The outputs it uses: ``posteriors`` of the CTC layer, or
            ``encodings``; then its constructor also takes ``student_dim`` and
            ``teacher_dim``.
        single_frames: Whether it compares encodings frame by frame. It is refused if
            only the means over utterances exist (stored or resampled outputs).

    Raises:
        ValueError: If another class has this name.
    """

    def register(kind: T) -> T:
        if OBJECTIVES.get(name, kind) is not kind:
            raise ValueError(
                f"objective {name}: {OBJECTIVES[name]} already has this name"
            )
        kind.name, kind.looks_at, kind.single_frames = name, looks_at, single_frames
        OBJECTIVES[name] = kind
        return kind

    return register
