"""Find different characters that write the same sign in one corpus."""

import unicodedata
from collections import Counter
from typing import Sequence

from espnet_plugin.doctor.sets import DataSet
from espnet_plugin.doctor.store import Store

__all__ = ["find_look_alikes"]

# Apostrophes, hyphens; letters of Arabic and Persian, of Turkish and Romanian; mu.
_GROUPS = (
    "'\u2019\u02bc\u2018\u02bb\u00b4`\u2032\uff07",
    "-\u2010\u2011",
    "\u06cc\u064a",
    "\u06a9\u0643",
    "\u015f\u0219",
    "\u015e\u0218",
    "\u0163\u021b",
    "\u0162\u021a",
    "\u03bc\u00b5",
)


def find_look_alikes(store: Store, sets: Sequence[DataSet]) -> None:
    """Report each group once, at the first place of its rarest character."""
    counts: Counter = Counter()
    for one in sets:
        counts.update(one.facts.characters)
    for group in _GROUPS:
        there = sorted((c for c in group if counts[c]), key=lambda c: -counts[c])
        if len(there) < 2:
            continue
        rarest = there[-1]
        one = next(one for one in sets if rarest in one.facts.first)
        name, line = one.facts.first[rarest]
        what = ", ".join(f"{_named(c)}: {counts[c]} times" for c in there)
        store.report("look-alikes", one.folder / "text", line, name, what)


def _named(character: str) -> str:
    return f"{character!r} (U+{ord(character):04X} {unicodedata.name(character)})"
