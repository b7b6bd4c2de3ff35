"""What each target gets: the form of the graph and the files next to it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from espnet_plugin.decode.posteriors import depends_on_padding
from espnet_plugin.export.ports import FeaturesPort, Port, SamplesPort
from espnet_plugin.export.scripts import RUNNERS
from espnet_plugin.export.source import Source

__all__ = ["Target", "batch_warnings", "onnx_target"]


_RUN = """\
    pip install numpy soundfile onnxruntime
    python recognise.py FILE...
"""


@dataclass(frozen=True)
class Target:
    """A kind of device.

    Attributes:
        name: Its name, as ``--target`` takes it.
        port: The form of the graph.
        tokens: Symbols in ``tokens.txt``.
        runner: The script to copy.
        needs: The package that the script needs, as it is imported.
        run: How to run it, as Markdown.
        metadata: More properties of the ONNX file.
        meta: More facts for ``meta.json``.
        warnings: What its user should know.
    """

    name: str
    port: Port
    tokens: tuple[str, ...]
    runner: Path
    run: str
    needs: str = "onnxruntime"
    metadata: dict[str, str] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def onnx_target(source: Source, features: bool) -> Target:
    """Return the target of any program with onnxruntime in it.

    Args:
        source: The model.
        features: Whether the graph is to take features though it could take samples.
    """
    samples = source.facts.front_end is not None and not features
    return Target(
        name="onnx",
        port=SamplesPort() if samples else FeaturesPort(),
        tokens=source.facts.tokens,
        runner=RUNNERS / "recognise.py",
        run=_RUN if samples else _RUN.replace("FILE", "FEATURES.npy"),
    )


def batch_warnings(source: Source, port: Port) -> tuple[str, ...]:
    """Return what a user of the graph should know about batches."""
    if not port.batches or not depends_on_padding(source.model):
        return ()
    return (
        "one utterance at a time: the output depends on how long a batch is padded, as "
        "in ESPnet (its old relative positions, or convolutions without a mask)",
    )
