"""Compare the letters of the sets: their case, and characters that only one has."""

from typing import Optional

from espnet_plugin.doctor.sets import DataSet
from espnet_plugin.doctor.store import Store
from espnet_plugin.doctor.tables import TextFacts

__all__ = ["compare_characters"]

# Share of the transcripts with letters that must be in one case, so that it counts as
# the case of the set.
_MOST = 0.9
# Share of the transcripts in which all words are single letters, so that this is no
# spelling of names, as in AN4.
_SPELT = 0.95


def compare_characters(store: Store, sets: list[DataSet]) -> None:
    """Compare every set with the training set, the first one, and each with itself."""
    for one in sets:
        facts = one.facts
        known = facts.upper + facts.lower + facts.mixed
        few = min(facts.upper + facts.mixed, facts.lower + facts.mixed)
        if known and few and facts.mixed < 0.5 * known:
            what = (
                f"{facts.upper} transcripts in upper case, {facts.lower} in lower "
                f"case, {facts.mixed} in both"
            )
            store.report("mixed-case", one.folder / "text", 0, "", what)
        if facts.spelt and facts.spelt >= _SPELT * facts.several:
            what = (
                f"{facts.spelt} of {facts.several} transcripts with several words "
                "consist of single letters between spaces: if the text was split into "
                "characters, write it as words again (the recipe splits it itself)"
            )
            store.report("markup", one.folder / "text", 0, "", what)
    if not sets or not sets[0].labelled or not sets[0].facts.characters:
        return
    for one in sets[1:]:
        if one.labelled and one.facts.characters:
            _compare(store, sets[0], one)


def _case(facts: TextFacts) -> Optional[str]:
    known = facts.upper + facts.lower + facts.mixed
    for name, count in (("upper", facts.upper), ("lower", facts.lower)):
        if known and count >= _MOST * known:
            return name
    return None


def _compare(store: Store, train: DataSet, one: DataSet) -> None:
    cases = _case(train.facts), _case(one.facts)
    there = set(train.facts.characters)
    if None not in cases and cases[0] != cases[1]:
        what = (
            f"the transcripts are in {cases[1]} case, those of {train.folder} in "
            f"{cases[0]} case"
        )
        kind = "unknown-characters" if one.valid else "mixed-case"
        store.report(kind, one.folder / "text", 0, "", what)
        # Each letter would be reported besides.
        there |= {c.swapcase() for c in there}
    _alone(store, one, train, there)
    # A small test set naturally has fewer characters than the training set.
    if sum(one.facts.characters.values()) >= 2000:
        there = set(one.facts.characters)
        _alone(store, train, one, there | {c.swapcase() for c in there})


def _alone(store: Store, one: DataSet, other: DataSet, there: set[str]) -> None:
    for character in sorted(set(one.facts.characters) - there):
        name, line = one.facts.first[character]
        count = one.facts.characters[character]
        often = "once" if count == 1 else f"{count} times"
        where = f"{often}, never in {other.folder}"
        what = f"{character!r} (U+{ord(character):04X}), {where}"
        kind = "unknown-characters" if one.valid else "rare-characters"
        store.report(kind, one.folder / "text", line, name, what)
