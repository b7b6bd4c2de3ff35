"""Objectives by name, and what each of them needs to see."""

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
    """Register an objective: a module called with the outputs of student and teacher.

    Every module of this folder is imported, so that a class in a new one is found. One
    line each, with the name first: ``recipe/choices.py`` reads the names from there,
    since importing torch for them would take seconds.

    Args:
        name: Used in configurations, on the command line and in statistics.
        looks_at: ``posteriors`` of the CTC layer, or ``encodings``: then its
            constructor takes ``student_dim`` and ``teacher_dim`` as well.
        single_frames: It compares encodings frame by frame. Where only their mean over
            the utterance is at hand (stored outputs, resampled ones), it is refused.

    Raises:
        ValueError: If the name is taken.
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
