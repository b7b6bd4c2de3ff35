"""A graph as one ONNX file."""

import warnings
from pathlib import Path
from typing import Mapping

import torch

from espnet_plugin.errors import UserError
from espnet_plugin.export.graph.masks import linear_masks
from espnet_plugin.export.ports import Port
from espnet_plugin.export.source import Source

__all__ = ["OPSET", "write_model"]

# The newest that torch's exporter of traces knows well; runtimes of 2022 read it.
OPSET = 17


def write_model(
    port: Port, source: Source, path: Path, metadata: Mapping[str, str]
) -> None:
    """Trace a model and write it, with the weights, into one file.

    torch's older exporter, because the newer one takes thirty times as long, puts the
    weights into a second file and paths of this machine into the first.

    Args:
        port: The form of the graph.
        source: The model.
        path: The file to write.
        metadata: Properties of the file.

    Raises:
        UserError: If torch cannot export the model.
    """
    import onnx

    torch.manual_seed(0)
    module = port.build(source).eval()
    with warnings.catch_warnings(), torch.no_grad(), linear_masks(source.model.encoder):
        # Of tracing: sizes that become constants, checked afterwards by other sizes.
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                module,
                port.example(source.facts),
                str(path),
                input_names=list(port.inputs),
                output_names=list(port.outputs),
                dynamic_axes=port.axes,
                opset_version=OPSET,
                dynamo=False,
            )
        except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
            raise UserError(
                f"{source.facts.experiment}: torch cannot export this "
                f"{source.facts.encoder} encoder: {str(error).splitlines()[0]}"
            ) from error
    content = onnx.load(str(path))
    for node in content.graph.node:
        node.ClearField("doc_string")
    onnx.helper.set_model_props(content, dict(metadata))
    onnx.checker.check_model(content)
    onnx.save(content, str(path))
