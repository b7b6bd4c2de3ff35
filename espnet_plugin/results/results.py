"""The content of a report, computed once from rows and shared runs."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Mapping

from espnet_plugin.results.comparison import Comparison
from espnet_plugin.results.family import Family, family_costs
from espnet_plugin.results.group import Group, group_rows
from espnet_plugin.results.json_format import Entries, entries_to_json
from espnet_plugin.results.row import Row, TestSet
from espnet_plugin.results.shared_run import Runs, runs_by_name

__all__ = ["Results", "make_results"]


@dataclass(frozen=True)
class Results:
    """The content of a results.json.

    Attributes:
        entries: Gathered rows, shared runs and test sets.
        groups: Groups of rows that only differ in the seed.
        families: Costs of all sizes of each method and variant.
        comparisons: Paired comparisons of groups.
    """

    entries: Entries
    groups: tuple[Group, ...]
    families: tuple[Family, ...]
    comparisons: tuple[Comparison, ...] = ()

    @property
    def corpus(self) -> str:
        return self.entries.corpus or ""

    @property
    def rows(self) -> tuple[Row, ...]:
        return self.entries.rows

    @property
    def test_sets(self) -> Mapping[str, TestSet]:
        return self.entries.test_sets

    @cached_property
    def runs(self) -> Runs:
        """The shared runs by name."""
        return runs_by_name(self.entries.shared_runs)

    @property
    def set_name(self) -> str:
        """Name of the scored set: ``dev`` for the development set, else ``test``."""
        return "dev" if self.entries.on_dev else "test"

    def with_comparisons(self, comparisons: tuple[Comparison, ...]) -> "Results":
        """Return the same results with these comparisons."""
        return replace(self, comparisons=comparisons)

    def to_dict(self) -> dict[str, Any]:
        """Return the content of results.json."""
        content = entries_to_json(self.entries)
        last = {key: content.pop(key) for key in ("skipped", "on_dev")}
        return {
            **content,
            "aggregates": [group.to_dict() for group in self.groups],
            "families": [family.to_dict() for family in self.families],
            **last,
            "comparisons": [one.to_dict() for one in self.comparisons],
        }


def make_results(entries: Entries) -> Results:
    """Compute groups and families of gathered results."""
    runs = runs_by_name(entries.shared_runs)
    return Results(
        entries, group_rows(entries.rows, runs), family_costs(entries.rows, runs)
    )
