"""Choose the methods of a picture, so that it is readable: a main one and rivals.

Twenty methods on top of each other cannot be read. `Choice.rule` describes the rule.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Callable, Optional, Sequence

from espnet_plugin.errors import UserError
from espnet_plugin.report.plots.colours import method_styles
from espnet_plugin.report.plots.series import Series, series_of
from espnet_plugin.results.group import Group

__all__ = ["MOST_RIVALS", "OTHERS", "Choice", "choose"]

MOST_RIVALS = 5
# Suffix to the name of the second picture, which shows the methods left out.
OTHERS = "_others"

Key = tuple[str, str]

_REFERENCE, _MAIN = "reference", ("encrl", "")
# Models trained without the reference, which every method should outperform.
_BASELINES: tuple[Key, ...] = (
    *(("scratch", ""), ("streaming_alone", ""), ("full_alone", "")),
)
# Methods with more than this many times the main method's errors are not chosen.
_MOST_ERRORS = 3.0


@dataclass(frozen=True)
class Choice:
    """The methods of a picture.

    Attributes:
        shown: Series of the picture: reference, main method, rivals.
        others: Series with panels of their own, in the second picture.
        beside: Series drawn in grey in each of those panels: the main method and
            training from scratch.
        rule: How the rivals were chosen; empty if all methods are shown.
    """

    shown: tuple[Series, ...]
    others: tuple[Series, ...] = ()
    beside: tuple[Series, ...] = ()
    rule: str = ""

    @property
    def groups(self) -> list[Group]:
        """Groups of all series that are shown."""
        return [group for one in self.shown for group in one.groups]

    @cached_property
    def styles(self) -> dict[Key, tuple[str, str]]:
        """Colour and marker of each key; the series shown get the clearest colours."""
        return method_styles(one.key for one in (*self.shown, *self.others))


def choose(groups: Sequence[Group], rivals: Sequence[str] = ()) -> Choice:
    """Choose what is shown: the reference, the main method, at most five rivals.

    The main method is EncRL without a variant; if it does not exist, the method with
    the most models. If there are at most five rivals, all are shown. Otherwise the
    named ones are shown; if none is named, training from scratch and the methods with
    the lowest mean error rate among those with the main method's sizes and seeds.

    Args:
        groups: Groups with a test score.
        rivals: Methods with variants, named as in the tables and legends, without mode
            and size; if empty, they are chosen by the rule.

    Raises:
        UserError: If a rival does not exist, or more than five are named.
    """
    lines: dict[Key, list[Series]] = {}
    for one in series_of(groups):
        lines.setdefault(one.key, []).append(one)
    references = [key for key in lines if key[0] == _REFERENCE]
    candidates = [key for key in lines if key not in references]
    main = _main_of(lines, candidates)
    candidates = [key for key in candidates if key != main]
    if rivals:
        chosen, rule = _named(candidates, rivals), "Rivals: named with --rivals."
    elif len(candidates) > MOST_RIVALS:
        chosen, rule = _best(lines, candidates, main)
    else:
        chosen, rule = candidates, ""
    shown = [*references, *([main] if main else []), *chosen]
    others = [key for key in lines if key not in shown]
    baselines = [key for key in _BASELINES if key in lines and key != main]

    def series(keys: Sequence[Key]) -> tuple[Series, ...]:
        return tuple(one for key in keys for one in lines[key])

    beside = [main, *baselines] if main else baselines
    return Choice(series(shown), series(others), series(beside), rule if others else "")


def _main_of(lines: dict[Key, list[Series]], candidates: list[Key]) -> Optional[Key]:
    if _MAIN in candidates:
        return _MAIN
    # Of several equal ones, the first is chosen.
    return max(candidates, key=lambda key: _models(lines[key]), default=None)


def _models(series: Sequence[Series]) -> int:
    return sum(len(group.scored) for one in series for group in one.groups)


def _named(candidates: list[Key], rivals: Sequence[str]) -> list[Key]:
    names = {" ".join(key).strip(): key for key in candidates}
    if not names:
        raise UserError(
            "--rivals: the results have no method besides the reference and the main "
            "one: leave the option out"
        )
    unknown = [name for name in rivals if name not in names]
    if unknown:
        raise UserError(
            f"--rivals {unknown[0]!r}: there is no such method; choose from "
            + ", ".join(map(repr, sorted(names)))
        )
    if len(rivals) > MOST_RIVALS:
        raise UserError(
            f"--rivals: {len(rivals)} are given, but a picture shows at most "
            f"{MOST_RIVALS}"
        )
    return [names[name] for name in rivals]


def _best(
    lines: dict[Key, list[Series]], candidates: list[Key], main: Key
) -> tuple[list[Key], str]:
    """Return the rivals that are shown, and the rule in words."""
    ours = lines[main]
    gaps = {key: _gap(lines[key], ours) for key in candidates}
    known = [key for key in candidates if gaps[key] is not None]
    fair: tuple[tuple[str, Callable[[Key], bool]], ...] = (
        (
            "with the sizes and seeds of {main}",
            lambda key: _same_seeds(lines[key], ours) and _has_sizes(lines[key], ours),
        ),
        ("with the sizes of {main}", lambda key: _has_sizes(lines[key], ours)),
        ("at sizes that {main} has too", lambda key: True),
    )
    # Means over other sizes, or with a failed seed, are not comparable.
    words, eligible = "", []
    for words, is_fair in fair:
        eligible = [key for key in known if is_fair(key)]
        if eligible:
            break
    baselines = [key for key in _BASELINES if key in candidates]
    ranked = sorted(
        (key for key in eligible if key not in baselines), key=lambda key: gaps[key]
    )
    chosen = (baselines + ranked)[:MOST_RIVALS]
    first = f"{' and '.join(' '.join(key).strip() for key in baselines)} and, "
    rule = (
        f"Rivals: {first if baselines else ''}of the methods "
        f"{words.format(main=' '.join(main).strip())}, those with the lowest mean "
        f"error rate (at most {MOST_RIVALS} rivals; none with more than "
        f"{_MOST_ERRORS:g} times its errors)."
    )
    return chosen, rule


def _gap(theirs: Sequence[Series], ours: Sequence[Series]) -> Optional[float]:
    """Difference to our error rate at common sizes; None if very large or unknown."""
    places = _rates(ours)
    pairs = [
        (sum(rates) / len(rates), sum(places[place]) / len(places[place]))
        for place, rates in _rates(theirs).items()
        if place in places
    ]
    if not pairs:
        return None
    mean, our_mean = (sum(side) / len(pairs) for side in zip(*pairs))
    return mean - our_mean if mean <= _MOST_ERRORS * our_mean else None


def _rates(series: Sequence[Series]) -> dict[tuple, list[float]]:
    """Error rates by mode and size."""
    found: dict[tuple, list[float]] = {}
    for one in series:
        for group in one.groups:
            found.setdefault((group.mode, group.shape), []).append(group.error_rate)
    return found


def _has_sizes(theirs: Sequence[Series], ours: Sequence[Series]) -> bool:
    """Return whether they have all of our sizes, in their modes."""
    places = _rates(theirs)
    modes = {mode for mode, _ in places}
    return {place for place in _rates(ours) if place[0] in modes} <= set(places)


def _same_seeds(theirs: Sequence[Series], ours: Sequence[Series]) -> bool:
    return _seeds(theirs) == _seeds(ours)


def _seeds(series: Sequence[Series]) -> set[tuple[int, ...]]:
    return {
        tuple(sorted(row.identity.seed for row in group.scored))
        for one in series
        for group in one.groups
    }
