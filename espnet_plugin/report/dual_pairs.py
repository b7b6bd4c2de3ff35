"""Which recognisers of two modes have to be compared to answer the question."""

import re
from pathlib import Path
from typing import Iterable, Iterator

from espnet_plugin.experiment.folder import Experiment

__all__ = ["dual_mode_pairs"]

_FOLDER = re.compile(r"asr_(?P<row>.+)_s\d+_(?P<mode>full|streaming)")
_SPARSITIES = (30, 50, 70)
_ABLATIONS = (
    *("no_distillation_50", "taylor_50", "random_masks_50", "fixed_masks_50"),
    *("early_50", "blocks_50"),
)


def dual_mode_pairs(
    folder: Path, decoding: str = "best_path", test_set: str = "test"
) -> list[tuple[str, str]]:
    """Return the pairs of rows for the report's ``--compare``, as the tables name them.

    The second is to be compared with the first: self-pruned streaming models with the
    dense one trained alone, or longer, and with the one pruned afterwards to the same
    sparsity, and with that of the dense supernet; full-context models with the one
    trained alone, pre-trained models with those that are not, and with each
    other, ablations with what they
    take something from. Left out are rows that are not there or have no score.

    Args:
        folder: Folder with the models, ``asr_<row>_s<seed>_<mode>``.
        decoding: The decoding whose scores count.
        test_set: Name of the set whose scores count.
    """
    labels: dict[tuple[str, str, int], str] = {}
    for path in sorted(folder.glob("asr_*")):
        found, experiment = _FOLDER.fullmatch(path.name), Experiment(path)
        meta = experiment.find_meta() if found else None
        if meta and experiment.decoded(decoding, test_set).is_scored:
            label = f"{meta.method} {meta.variant} {meta.layers}"
            key = found["row"], found["mode"], meta.layers
            labels[key] = " ".join(label.split())
    # Models of other depths are other models.
    return [
        (labels[(*first, layers)], labels[(*second, layers)])
        for layers in sorted({layers for *_, layers in labels}, reverse=True)
        for first, second in _questions()
        if (*first, layers) in labels and (*second, layers) in labels
    ]


def _questions() -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    """Yield (row, mode) of both sides."""
    full, streaming = "full", "streaming"
    for sparsity in _SPARSITIES:
        pruned = f"self_pruned_{sparsity}"
        yield ("streaming_alone", streaming), (pruned, streaming)
        yield (f"pruned_after_{sparsity}", streaming), (pruned, streaming)
    # The same question where masks were final earlier.
    for row in ("early_50", "fixed_masks_50"):
        for baseline in ("streaming_alone", "pruned_after_50"):
            yield (baseline, streaming), (row, streaming)
    # As many epochs as the one pruned afterwards had, without pruning.
    yield ("streaming_alone", streaming), ("streaming_longer", streaming)
    for row in (*_each("pruned_after"), *_each("self_pruned")):
        yield ("streaming_longer", streaming), (row, streaming)
    yield ("streaming_alone", streaming), ("dense_dense", streaming)
    yield ("dense_dense", streaming), ("self_pruned_50", streaming)
    for row in ("dense_dense", *_each("self_pruned"), *_each("pretrained")):
        yield ("full_alone", full), (row, full)
    for sparsity in _SPARSITIES:
        for mode in (streaming, full):
            pruned = f"self_pruned_{sparsity}"
            yield (pruned, mode), (f"pretrained_{sparsity}", mode)
    for mode in (streaming, full):
        for row in ("self_pruned_50", "pretrained_50"):
            yield (row, mode), ("pretrained_best_rq_50", mode)
    for row in _ABLATIONS:
        for mode in (streaming, full):
            yield ("self_pruned_50", mode), (row, mode)


def _each(name: str) -> Iterable[str]:
    return (f"{name}_{sparsity}" for sparsity in _SPARSITIES)
