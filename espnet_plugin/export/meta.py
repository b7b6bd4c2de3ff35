"""``meta.json``: facts for a device and its user, and results of the checks."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from espnet_plugin.export.export_meta import ExportMeta
from espnet_plugin.export.facts import ModelFacts
from espnet_plugin.export.ports import Port
from espnet_plugin.export.versions import package_versions, version_of
from espnet_plugin.export.write import OPSET
from espnet_plugin.files import file_checksum

__all__ = ["common_facts", "describe", "file_table", "graph_metadata"]


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


def describe(facts: ModelFacts, target: str, port: Port) -> ExportMeta:
    """Return the facts of an export for whole utterances, without any results.

    Args:
        facts: Facts about the model.
        target: ``onnx`` or ``sherpa-onnx``.
        port: The form of the graph.
    """
    return ExportMeta(
        **common_facts(facts),
        target=target,
        input=port.kind,
        inputs=tuple(port.inputs),
        outputs=tuple(port.outputs),
        batches=port.batches,
    )


def common_facts(facts: ModelFacts) -> dict[str, Any]:
    """Return the fields of :class:`ExportMeta` that do not depend on the graph."""
    model = asdict(facts)
    del model["tokens"]
    return {
        "sample_rate": facts.sample_rate,
        "frame_ms": facts.frame_ms,
        "blank": facts.blank,
        "drop": tuple(facts.drop),
        "token_type": facts.token_type,
        "vocabulary": len(facts.tokens),
        "model": model,
        "opset": OPSET,
        "versions": package_versions(),
    }


def file_table(folder: Path) -> dict[str, dict[str, Any]]:
    """Return size in bytes and SHA-256 of every file of a folder."""
    return {
        path.name: {"bytes": path.stat().st_size, "sha256": file_checksum(path)}
        for path in sorted(folder.iterdir())
        if path.is_file()
    }
