"""A decoding graph with contextual words, for sherpa-onnx's own CTC decoder."""

import struct
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Collection, Sequence

import numpy as np

from espnet_plugin.errors import UserError
from espnet_plugin.files import whole_file
from espnet_plugin.recognise.hotwords import Hotwords, Match

__all__ = ["ContextGraph", "context_graph", "write_openfst"]

# More arcs would need more than 160 MB.
_MOST_ARCS = 10_000_000
_ARC = np.dtype(
    [("ilabel", "<i4"), ("olabel", "<i4"), ("weight", "<f4"), ("next", "<i4")]
)
# Of OpenFst's binary files: the first number, and what VectorFst writes as properties
# of a graph of which nothing more is known (expanded and mutable).
_MAGIC, _VERSION, _PROPERTIES = 2125659606, 2, 3


@dataclass(frozen=True)
class ContextGraph:
    """A weighted graph over the rows of a CTC model's output.

    Each path from state 0 reads one token (or blank) per row. Costs are negative
    natural logarithms, so a bonus is a negative cost.

    Attributes:
        first: ``(states + 1,)``: the arcs of state ``i`` are those from ``first[i]`` to
            before ``first[i + 1]``.
        tokens: ``(arcs,)``, the index of the token that an arc reads.
        costs: ``(arcs,)``.
        targets: ``(arcs,)``, the state that an arc leads to.
        final: ``(states,)``, cost of ending in a state; infinite where it cannot.
    """

    first: np.ndarray
    tokens: np.ndarray
    costs: np.ndarray
    targets: np.ndarray
    final: np.ndarray


def context_graph(
    hotwords: Hotwords,
    vocabulary: int,
    blank: int,
    never: Collection[int] = (),
    rows_per_frame: int = 1,
) -> ContextGraph:
    """Make the graph in which texts have the bonus that the beam search gives them.

    A state is the last token read (so that a repeated one is not a new one) and how far
    phrases have matched. Without phrases the best path would be the best token of each
    row.

    Args:
        hotwords: The phrases.
        vocabulary: Number of tokens.
        blank: Index of the blank.
        never: Tokens that are not read.
        rows_per_frame: Number of rows in which the model repeats each frame. The
            decoder adds the log-probabilities of all of them, so bonuses are multiplied
            by this.

    Raises:
        UserError: If the graph would be too large.
    """
    usable = [n for n in range(vocabulary) if n != blank and n not in set(never)]
    states = [(blank, hotwords.start())]
    numbers = {_key(*states[0]): 0}
    arcs: list[tuple[int, float, int]] = []
    first, final = [0], []
    for last, match in states:  # the list grows meanwhile
        for token in (blank, *usable):
            new = match
            if token not in (blank, last):
                new = hotwords.advance(match, token)
            gain = new.bonus - match.bonus
            key = _key(token, new)
            if key not in numbers:
                numbers[key] = len(states)
                # What was earned is on the arcs; a state holds what can be lost.
                rest = replace(new, earned=0.0, bonus=new.bonus - new.earned)
                states.append((token, rest))
            arcs.append((token, -gain * rows_per_frame, numbers[key]))
        if len(arcs) > _MOST_ARCS:
            raise UserError(
                f"--hotwords: the graph would have more than {_MOST_ARCS} arcs with "
                f"{vocabulary} tokens: list fewer phrases"
            )
        first.append(len(arcs))
        final.append((match.bonus - hotwords.finish(match)) * rows_per_frame)
    tokens, costs, targets = zip(*arcs)
    graph = ContextGraph(
        np.array(first), *map(np.array, (tokens, costs, targets, final))
    )
    return _lengthened(graph, [last for last, _ in states], rows_per_frame)


def _lengthened(
    graph: ContextGraph, last: Sequence[int], rows_per_frame: int
) -> ContextGraph:
    """Make a graph read each token in all rows of a frame.

    Otherwise two tokens could share a frame, which only a repeated one makes possible.

    Args:
        graph: A graph for one row per frame.
        last: ``(states,)``, the token that all arcs into a state read.
        rows_per_frame: Rows per frame.
    """
    states, more = len(last), rows_per_frame - 1
    if not more:
        return graph
    # Arcs lead to the first of the states in between, each of those to the next one.
    between = np.arange(states * more).reshape(states, more) + states
    inside = np.concatenate([between[:, 1:], np.arange(states)[:, None]], 1).ravel()
    begin = graph.first[-1]
    return ContextGraph(
        np.concatenate([graph.first, begin + 1 + np.arange(states * more)]),
        np.concatenate([graph.tokens, np.repeat(last, more)]),
        np.concatenate([graph.costs, np.zeros(states * more)]),
        np.concatenate([between[graph.targets, 0], inside]),
        np.concatenate([graph.final, np.full(states * more, np.inf)]),
    )


def _key(last: int, match: Match) -> tuple:
    """Return what states differ in."""
    return last, match.begun, match.at_boundary, match.unspaced


def write_openfst(graph: ContextGraph, path: Path) -> None:
    """Write a graph as OpenFst's ``VectorFst`` of ``StdArc``, which sherpa-onnx reads.

    Input labels are token indices plus one, because 0 means "none" in OpenFst; there
    are no output labels.

    Raises:
        UserError: If the file cannot be written.
    """
    arcs = np.zeros(len(graph.tokens), _ARC)
    arcs["ilabel"], arcs["weight"] = graph.tokens + 1, graph.costs
    arcs["next"] = graph.targets
    states = len(graph.final)
    header = [struct.pack("<i", _MAGIC)]
    for kind in (b"vector", b"standard"):
        header.append(struct.pack("<i", len(kind)) + kind)
    header.append(
        struct.pack("<iiQqqq", _VERSION, 0, _PROPERTIES, 0, states, len(arcs))
    )
    with whole_file(path) as file:
        file.write(b"".join(header))
        for state, (begin, end) in enumerate(zip(graph.first, graph.first[1:])):
            file.write(struct.pack("<fq", graph.final[state], end - begin))
            file.write(arcs[begin:end].tobytes())
