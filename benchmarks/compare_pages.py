"""Compare models of several results.json files by a paired bootstrap.

The report compares models of one folder. For models of two pages, on the same test set
(and the same development set):

    cd egs2/an4/dualmode1
    python ../../../benchmarks/compare_pages.py results.json from_reference.json \
        --pairs "dual_mode self-pruned 50 % streaming 4" \
                "dual_mode from the reference's layers, self-pruned 50 % streaming 4"

``--list`` prints the labels. A label that two of the files have is given with its file
before it: ``reference_28.json:scratch 20 epochs 6``. Errors are means over seeds, units
are utterances.
"""

import argparse
from collections import Counter
from pathlib import Path
from typing import Optional, Sequence

import numpy as np

from espnet_plugin.counted import counted
from espnet_plugin.errors import UserError
from espnet_plugin.files import read_json
from espnet_plugin.results.group import Group
from espnet_plugin.results.json_format import Entries, read_entries
from espnet_plugin.results.merge import merge
from espnet_plugin.results.row import Row
from espnet_plugin.score.bootstrap import bootstrap_interval, paired_bootstrap


def main() -> None:
    """Print the error rates and differences of the pairs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("results", type=Path, nargs="+", help="results.json files")
    parser.add_argument("--pairs", nargs="+", default=[], help="labels, two for a pair")
    parser.add_argument("--list", action="store_true", help="print all labels")
    parser.add_argument("--seeds", type=int, nargs="+", help="these seeds alone")
    args = parser.parse_args()
    if len(args.pairs) % 2:
        parser.error("--pairs: an odd number of labels; give two for each pair")
    groups = read_groups(args.results)
    if args.list:
        print("\n".join(sorted(groups)))
    for label in args.pairs:
        if label not in groups:
            named = [name for name in groups if name.endswith(f":{label}")]
            way = f"give {' or '.join(named)}" if named else "--list prints all"
            parser.error(f"--pairs {label!r}: no such model; {way}")
    for first, second in zip(args.pairs[::2], args.pairs[1::2]):
        print(f"{second}\n  against {first}")
        sides = [_rows(groups[label], args.seeds) for label in (first, second)]
        if not all(sides):
            parser.error(f"--seeds {args.seeds}: a model of this pair has none of them")
        for part in ("test", "dev"):
            print(f"  {part}: {_compare(*sides, part)}")


def read_groups(paths: Sequence[Path]) -> dict[str, Group]:
    """Read the models of several results.json files.

    Args:
        paths: The files.

    Returns:
        The models by their labels; where several files have a label, by
        ``file:label``, because they can have other seeds.
    """
    found = []
    for path in paths:
        content = read_json(path)
        results = merge(read_entries(content), Entries(), content["corpus"])
        found += [(path, group) for group in results.groups]
    counts = Counter(group.label for _, group in found)
    return {
        group.label if counts[group.label] == 1 else f"{path}:{group.label}": group
        for path, group in found
    }


def _rows(group: Group, seeds: Optional[Sequence[int]]) -> list[Row]:
    return [row for row in group.rows if not seeds or row.identity.seed in seeds]


def _compare(first: Sequence[Row], second: Sequence[Row], part: str) -> str:
    sides = [_pooled(rows, part) for rows in (first, second)]
    if None in sides:
        return "not scored by utterance"
    (before, words), (after, same) = sides
    if not np.array_equal(words, same):
        return "not the same set"
    rates = []
    for errors in (after, before):
        low, high = bootstrap_interval(errors, words)
        rates.append(f"{100 * errors.sum() / words.sum():.1f} [{low:.1f}, {high:.1f}]")
    result = paired_bootstrap(before, after, words)
    low, high = result.ci95
    seeds = " and ".join(counted(len(rows), "seed") for rows in (second, first))
    return (
        f"{rates[0]} against {rates[1]} %, {result.difference:+.1f} [{low:+.1f}, "
        f"{high:+.1f}] points ({seeds}, {int(words.sum())} words)"
    )


def _pooled(rows: Sequence[Row], part: str) -> Optional[tuple[np.ndarray, np.ndarray]]:
    """Return the mean errors of the seeds by utterance, and the words."""
    errors, words = [], []
    for row in rows:
        quality = row.quality
        wrong = getattr(quality, f"{part}_errors_by_unit")
        lengths = getattr(quality, f"{part}_words_by_unit")
        if not wrong or not lengths:
            return None
        errors.append(wrong)
        words.append(lengths)
    if any(one != words[0] for one in words):
        raise UserError("the seeds of one model were scored on different sets")
    return np.mean(errors, axis=0), np.asarray(words[0], float)


if __name__ == "__main__":
    main()
