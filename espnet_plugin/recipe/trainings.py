"""What stages 5 and 6 train, as their commands and the dry run need to know it."""

from dataclasses import dataclass
from typing import Optional, Union

from espnet_plugin.recipe.options import EncrlOptions

__all__ = [
    "CutOut",
    "EncrlTraining",
    "FineTuning",
    "encrl_trainings",
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
        by_itself: Whether it is that of one size of ``--alone``.
    """

    layers: int
    init: str
    freeze: tuple[str, ...]
    epochs: Optional[int]
    serves: tuple[int, ...]
    exits: tuple[int, ...] = ()
    by_itself: bool = False

    @property
    def ending(self) -> str:
        """What its folder's name has behind that of the training of several sizes."""
        return f"_{self.layers}l" if self.by_itself else ""


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
    sizes: tuple[int, ...]
    together: bool
    epochs: Optional[int]
    freeze: tuple[str, ...]
    further: tuple[tuple[int, int], ...] = ()

    def trained(self) -> list[tuple[int, Optional[int]]]:
        """Return layers and epochs of each model that is trained."""
        if not self.together:
            return [(size, self.epochs) for size in self.sizes]
        return [(max(self.sizes), self.epochs), *self.further]


@dataclass(frozen=True)
class CutOut:
    """Models as a training of stage 5 leaves them; nothing is trained.

    Attributes:
        source: The training that they are cut out of.
        sizes: Sizes of the models.
        final: Whether they are the recipe's models, not those before fine-tuning.
    """

    source: EncrlTraining
    sizes: tuple[int, ...]
    final: bool


def sizes_together(options: EncrlOptions) -> tuple[int, ...]:
    """Return the sizes that stage 5 trains together."""
    return tuple(size for size in options.sizes if size not in options.alone)


def encrl_trainings(options: EncrlOptions) -> list[EncrlTraining]:
    """Return the trainings of stage 5: first that of several sizes, if there is one."""
    together = sizes_together(options)
    trainings = []
    if together:
        nested = options.family == "nested"
        exits = tuple(n for n in together if nested and n < options.encrl_layers)
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
            size,
            options.alone_init,
            options.alone_freeze,
            options.alone_epochs or options.encrl_epochs,
            (size,),
            by_itself=True,
        )
        for size in options.alone
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
                    options.alone_freeze if source.by_itself else options.freeze,
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
        FineTuning(source, (size,), False, epochs, options.alone_freeze)
        for size, epochs in further
    ]
