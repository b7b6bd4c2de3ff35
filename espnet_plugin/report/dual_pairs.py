"""Choose which recognisers with two modes are compared with each other."""

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

    The second row of a pair is compared with the first. Self-pruned streaming models
    are compared with the dense model trained alone, the one trained alone for longer,
    the one pruned after training to the same sparsity, and the streaming model of the
    dense supernet. Full-context models are compared with the one trained alone.
    Pre-trained models are compared with those without pre-training and with each other.
    Ablations are compared with the model from which they remove something. Pairs with a
    row that does not exist or has no score are left out.

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
    # Only models of the same depth are compared.
    return [
        (labels[(*first, layers)], labels[(*second, layers)])
        for layers in sorted({layers for *_, layers in labels}, reverse=True)
        for first, second in _questions()
        if (*first, layers) in labels and (*second, layers) in labels
    ]


def _questions() -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    """Yield pairs to compare, as (row, mode) of the first and of the second."""
    full, streaming = "full", "streaming"
    for sparsity in _SPARSITIES:
        pruned = f"self_pruned_{sparsity}"
        yield ("streaming_alone", streaming), (pruned, streaming)
        yield (f"pruned_after_{sparsity}", streaming), (pruned, streaming)
    # The same comparison for models whose masks became final earlier.
    for row in ("early_50", "fixed_masks_50"):
        for baseline in ("streaming_alone", "pruned_after_50"):
            yield (baseline, streaming), (row, streaming)
    # Trained without pruning for as many epochs as the model pruned afterwards.
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
