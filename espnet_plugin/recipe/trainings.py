"""The trainings of stages 5 and 6, from which commands and the dry run are made."""

from dataclasses import dataclass, replace
from typing import Optional, Union

from espnet_plugin.recipe.options.encrl import EncrlRecipeOptions
from espnet_plugin.recipe.sizes import SMALLEST
from espnet_plugin.shape import Shape, largest_first

__all__ = [
    "CutOut",
    "EncrlTraining",
    "FineTuning",
    "encrl_trainings",
    "for_any_sizes",
    "largest_together",
    "sizes_alone",
    "sizes_further",
    "sizes_together",
    "stage_6",
]


@dataclass(frozen=True)
class EncrlTraining:
    """A training of stage 5.

    Attributes:
        layers: Number of encoder layers of the student.
        init: Layers of the reference that initialise it: ``first``, ``random``...
        freeze: Modules that are not trained.
        epochs: Number of epochs; None: that of the configuration.
        serves: Sizes of the models that are taken from the student.
        exits: Layers whose outputs are trained as well, for nested sizes.
        by_itself: Whether this is the separate training of a single size.
        width: Width of the student; None: the width of the reference.
    """

    layers: int
    init: str
    freeze: tuple[str, ...]
    epochs: Optional[int]
    serves: tuple[Shape, ...]
    exits: tuple[int, ...] = ()
    by_itself: bool = False
    width: Optional[int] = None

    @property
    def shape(self) -> Shape:
        """Layers and width of the student."""
        return Shape(self.layers, self.width)

    @property
    def ending(self) -> str:
        """End of the folder's name; empty for the training of several sizes."""
        return f"_{self.shape}l" if self.by_itself else ""


@dataclass(frozen=True)
class FineTuning:
    """The fine-tuning of stage 6, of each size or of all sizes in the same step.

    Attributes:
        source: Training of stage 5 from which the models are taken.
        sizes: Sizes of the models.
        together: Whether all sizes are trained in the same step.
        epochs: Number of epochs; None: that of the configuration.
        freeze: Modules that are not trained.
        further: Sizes that are trained separately after that, with their epochs.
    """

    source: EncrlTraining
    sizes: tuple[Shape, ...]
    together: bool
    epochs: Optional[int]
    freeze: tuple[str, ...]
    further: tuple[tuple[Shape, int], ...] = ()

    def trained(self) -> list[tuple[Shape, Optional[int]]]:
        """Return size and epochs of each training; epochs None: the configuration's."""
        if not self.together:
            return [(size, self.epochs) for size in self.sizes]
        return [(largest_first(self.sizes)[0], self.epochs), *self.further]


@dataclass(frozen=True)
class CutOut:
    """Models that are taken from a training of stage 5 without fine-tuning.

    Attributes:
        source: The training of stage 5.
        sizes: Sizes of the models.
        final: Whether these are the final models of the recipe; otherwise they are
            decoded in addition to the fine-tuned ones.
    """

    source: EncrlTraining
    sizes: tuple[Shape, ...]
    final: bool


def sizes_alone(options: EncrlRecipeOptions) -> tuple[Shape, ...]:
    """Return the sizes that stage 5 trains separately, with all that have a width."""
    return tuple(
        size
        for size in options.sizes
        if size in options.alone or size.width is not None
    )


def sizes_together(options: EncrlRecipeOptions) -> tuple[Shape, ...]:
    """Return the sizes that stage 5 trains together."""
    alone = sizes_alone(options)
    return tuple(size for size in options.sizes if size not in alone)


def for_any_sizes(options: EncrlRecipeOptions) -> EncrlRecipeOptions:
    """Return the options without those that name sizes.

    With a budget they may be a recipe's defaults for its own sizes, which do not apply.
    """
    further = tuple(one for one in options.finetune_alone if one[0] == SMALLEST)
    return replace(options, alone=(), finetune_alone=further, encrl_layers=None)


def sizes_further(options: EncrlRecipeOptions) -> tuple[tuple[Shape, int], ...]:
    """Return the sizes that stage 6 trains further separately, with their epochs."""
    smallest = max(options.sizes, key=lambda size: size.order)
    return tuple(
        (smallest if size == SMALLEST else size, epochs)
        for size, epochs in options.finetune_alone
    )


def largest_together(options: EncrlRecipeOptions) -> int:
    """Return the layers of the largest size that stage 5 trains together.

    If there is none, this is the largest of all sizes, which then has no effect.
    """
    return max(size.layers for size in sizes_together(options) or options.sizes)


def _frozen_alone(options: EncrlRecipeOptions, size: Shape) -> tuple[str, ...]:
    """Return the frozen modules of a separate size; none if it has its own width."""
    return () if size.width is not None else options.alone_freeze


def encrl_trainings(options: EncrlRecipeOptions) -> list[EncrlTraining]:
    """Return the trainings of stage 5; that of several sizes, if any, is the first."""
    together = sizes_together(options)
    trainings = []
    if together:
        nested = options.family == "nested"
        layers = [size.layers for size in together]
        exits = tuple(n for n in layers if nested and n < options.encrl_layers)
        trainings.append(
            EncrlTraining(
                options.encrl_layers,
                options.student_init,
                options.freeze,
                options.encrl_epochs,
                together,
                exits,
            )
        )
    return trainings + [
        EncrlTraining(
            size.layers,
            options.alone_init,
            _frozen_alone(options, size),
            options.alone_epochs or options.encrl_epochs,
            (size,),
            by_itself=True,
            width=size.width,
        )
        for size in sizes_alone(options)
    ]


def stage_6(options: EncrlRecipeOptions) -> list[Union[FineTuning, CutOut]]:
    """Return the fine-tunings and cut-out models of stage 6, in their order."""
    work: list[Union[FineTuning, CutOut]] = []
    for source in encrl_trainings(options):
        if options.finetune_epochs == 0:
            work += _without_epochs(options, source)
        else:
            together = options.finetune == "together" and not source.by_itself
            work.append(
                FineTuning(
                    source,
                    source.serves,
                    together,
                    options.finetune_epochs,
                    source.freeze,
                    tuple(
                        one for one in options.finetune_alone if one[0] in source.serves
                    ),
                )
            )
        if options.direct:
            work.append(CutOut(source, source.serves, final=False))
    return work


def _without_epochs(
    options: EncrlRecipeOptions, source: EncrlTraining
) -> list[Union[FineTuning, CutOut]]:
    further = [one for one in options.finetune_alone if one[0] in source.serves]
    tuned = {size for size, _ in further}
    cut = tuple(size for size in source.serves if size not in tuned)
    work: list[Union[FineTuning, CutOut]] = [CutOut(source, cut, True)] if cut else []
    return work + [
        FineTuning(source, (size,), False, epochs, _frozen_alone(options, size))
        for size, epochs in further
    ]
