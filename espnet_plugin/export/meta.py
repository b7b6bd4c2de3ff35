"""``meta.json``: facts for a device and its user, and results of the checks."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Mapping, Optional

from espnet_plugin.export.facts import ModelFacts
from espnet_plugin.export.folder import FORMAT
from espnet_plugin.export.ports import Port
from espnet_plugin.export.versions import package_versions, version_of
from espnet_plugin.export.write import OPSET
from espnet_plugin.files import file_checksum

__all__ = ["describe", "file_table", "graph_metadata"]


def graph_metadata(facts: ModelFacts) -> dict[str, str]:
    """Return the properties that are written into the ONNX file itself."""
    found = {
        "made_by": f"espnet_plugin {version_of('espnet_plugin')}",
        "model_type": "ctc",
        "encoder": facts.encoder,
        "blank": str(facts.blank),
        "vocab_size": str(len(facts.tokens)),
        "frame_ms": f"{facts.frame_ms:g}",
        "subsampling_factor": str(facts.stride),
        "checkpoint_sha256": facts.checkpoint_sha256,
    }
    if facts.sample_rate is not None:
        found["sample_rate"] = str(facts.sample_rate)
    return found


def describe(
    facts: ModelFacts,
    target: str,
    port: Port,
    verified: Mapping[str, Any],
    int8: Optional[Mapping[str, Any]],
    more: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the content of ``meta.json`` without the table of files.

    Args:
        facts: Facts about the model.
        target: ``onnx`` or ``sherpa-onnx``.
        port: The form of the graph.
        verified: Results of the comparisons.
        int8: Figures of the quantised file; None: none was requested.
        more: Facts of the target.
    """
    model = asdict(facts)
    tokens = model.pop("tokens")
    return {
        "format": FORMAT,
        "target": target,
        "input": port.kind,
        "inputs": list(port.inputs),
        "outputs": list(port.outputs),
        "batches": port.batches,
        "sample_rate": facts.sample_rate,
        "channels": 1,
        "frame_ms": facts.frame_ms,
        "blank": facts.blank,
        "drop": list(facts.drop),
        "token_type": facts.token_type,
        "vocabulary": len(tokens),
        "model": model,
        **more,
        "opset": OPSET,
        "versions": package_versions(),
        "verified": dict(verified),
        **({} if int8 is None else {"int8": dict(int8)}),
    }


def file_table(folder: Path) -> dict[str, dict[str, Any]]:
    """Return size in bytes and SHA-256 of every file of a folder."""
    return {
        path.name: {"bytes": path.stat().st_size, "sha256": file_checksum(path)}
        for path in sorted(folder.iterdir())
        if path.is_file()
    }
