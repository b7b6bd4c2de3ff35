"""The best path through a graph, state by state."""


def collapsed(path):
    """Remove repeats and blanks (token 0)."""
    return [t for t, before in zip(path, (0, *path)) if t not in (0, before)]


def viterbi(graph, log_probs):
    """Return the score and tokens of the best path through a graph."""
    best = {0: (0.0, ())}
    for row in log_probs:
        following = {}
        for state, (score, path) in best.items():
            for arc in range(graph.first[state], graph.first[state + 1]):
                token, to = int(graph.tokens[arc]), int(graph.targets[arc])
                new = score + row[token] - graph.costs[arc]
                if to not in following or new > following[to][0]:
                    following[to] = new, (*path, token)
        best = following
    return max((s - graph.final[state], path) for state, (s, path) in best.items())
