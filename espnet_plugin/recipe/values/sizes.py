"""Types of options that are sizes of models, or limits on them."""

from dataclasses import dataclass
from typing import Union

from espnet_plugin.errors import UserError
from espnet_plugin.estimate.budget import Budget
from espnet_plugin.recipe.sizes import (
    SIZES_EXAMPLE,
    Smallest,
    read_size_epochs,
    read_sizes,
)
from espnet_plugin.recipe.values.kind import split_values
from espnet_plugin.shape import Shape

__all__ = ["Budgets", "SizeEpochs", "Sizes"]


@dataclass(frozen=True)
class Sizes:
    """Sizes of small models; see :mod:`espnet_plugin.recipe.sizes`."""

    optional: bool = False
    meta: str = '"SIZE..."'

    def read(self, given: str) -> tuple[Shape, ...]:
        if not self.optional:
            return read_sizes(given, once=True)
        # A list that may be empty may also have leading and trailing blanks.
        return read_sizes(given.strip()) if given.split() else ()

    def limits(self) -> str:
        return f'e.g. "{SIZES_EXAMPLE}"'


@dataclass(frozen=True)
class SizeEpochs:
    """Sizes with their epochs, e.g. ``2:4``: two layers, four epochs.

    ``smallest:4`` is for the smallest of all sizes.
    """

    optional: bool = True
    meta: str = '"SIZE:N..."'

    def read(self, given: str) -> tuple[tuple[Union[Shape, Smallest], int], ...]:
        return tuple(read_size_epochs(one) for one in split_values(given))

    def limits(self) -> str:
        return ""


@dataclass(frozen=True)
class Budgets:
    """Limits on parameters or computation.

    See :class:`~espnet_plugin.estimate.budget.Budget`.
    """

    optional: bool = True
    meta: str = '"LIMIT..."'

    def read(self, given: str) -> tuple[Budget, ...]:
        try:
            budgets = tuple(Budget.parse(one) for one in split_values(given))
        except UserError as error:
            raise ValueError(str(error)) from error
        for one in budgets:
            if sum(one.equals(other) for other in budgets) > 1:
                raise ValueError(f"{one} is given twice")
        return budgets

    def limits(self) -> str:
        return 'e.g. "1.5M 900k" or "70MMAC/s"'
