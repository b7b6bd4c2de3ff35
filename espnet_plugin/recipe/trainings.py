"""What stages 5 and 6 train, as their commands and the dry run need to know it."""

from dataclasses import dataclass
from typing import Optional, Union

from espnet_plugin.recipe.options.encrl import EncrlOptions
from espnet_plugin.shape import Shape, largest_first

__all__ = [
    "CutOut",
    "EncrlTraining",
    "FineTuning",
    "encrl_trainings",
    "largest_together",
    "sizes_alone",
    "sizes_together",
    "stage_6",
]


@dataclass(frozen=True)
class EncrlTraining:
    """A training of stage 5.

    Attributes:
        layers: Number of the student's layers.
        init: Which layers of the reference it starts from.
        freeze: Modules that do not learn.
        epochs: Instead of the configuration's.
        serves: Sizes of the models that are taken from it.
        exits: Layers after which it is trained as well.
        by_itself: Whether it is that of one size that is not trained with others.
        width: Width of the student, if it is not the reference's.
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
        """The student's."""
        return Shape(self.layers, self.width)

    @property
    def ending(self) -> str:
        """What its folder's name has behind that of the training of several sizes."""
        return f"_{self.shape}l" if self.by_itself else ""


@dataclass(frozen=True)
class FineTuning:
    """A training of stage 6: of each size, or of all in the same step.

    Attributes:
        source: Training that the models are taken from.
        sizes: Their sizes.
        together: Whether one training makes all of them.
        epochs: Instead of the configuration's.
        freeze: Modules that do not learn.
        further: Sizes that go on by themselves after a training of all, and for how
            many epochs.
    """

    source: EncrlTraining
    sizes: tuple[Shape, ...]
    together: bool
    epochs: Optional[int]
    freeze: tuple[str, ...]
    further: tuple[tuple[Shape, int], ...] = ()

    def trained(self) -> list[tuple[Shape, Optional[int]]]:
        """Return size and epochs of each model that is trained."""
        if not self.together:
            return [(size, self.epochs) for size in self.sizes]
        return [(largest_first(self.sizes)[0], self.epochs), *self.further]


@dataclass(frozen=True)
class CutOut:
    """Models as a training of stage 5 leaves them; nothing is trained.

    Attributes:
        source: The training that they are cut out of.
        sizes: Sizes of the models.
        final: Whether they are the recipe's models, not those before fine-tuning.
    """

    source: EncrlTraining
    sizes: tuple[Shape, ...]
    final: bool


def sizes_alone(options: EncrlOptions) -> tuple[Shape, ...]:
    """Return the sizes that stage 5 trains by themselves: also all with a width."""
    return tuple(
        size
        for size in options.sizes
        if size in options.alone or size.width is not None
    )


def sizes_together(options: EncrlOptions) -> tuple[Shape, ...]:
    """Return the sizes that stage 5 trains together."""
    alone = sizes_alone(options)
    return tuple(size for size in options.sizes if size not in alone)


def largest_together(options: EncrlOptions) -> int:
    """Return the layers of the largest size that stage 5 trains together.

    Without one, the largest of all counts: nothing is made of that many layers then.
    """
    return max(size.layers for size in sizes_together(options) or options.sizes)


def _frozen_alone(options: EncrlOptions, size: Shape) -> tuple[str, ...]:
    """Return what is frozen of a size by itself; its own width makes it all new."""
    return () if size.width is not None else options.alone_freeze


def encrl_trainings(options: EncrlOptions) -> list[EncrlTraining]:
    """Return the trainings of stage 5: first that of several sizes, if there is one."""
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


def stage_6(options: EncrlOptions) -> list[Union[FineTuning, CutOut]]:
    """Return what stage 6 does with each training of stage 5, in this order."""
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
    options: EncrlOptions, source: EncrlTraining
) -> list[Union[FineTuning, CutOut]]:
    further = [one for one in options.finetune_alone if one[0] in source.serves]
    tuned = {size for size, _ in further}
    cut = tuple(size for size in source.serves if size not in tuned)
    work: list[Union[FineTuning, CutOut]] = [CutOut(source, cut, True)] if cut else []
    return work + [
        FineTuning(source, (size,), False, epochs, _frozen_alone(options, size))
        for size, epochs in further
    ]
