"""Write a graph as one ONNX file."""

import warnings
from pathlib import Path
from typing import Mapping, Optional, Sequence

import torch
from torch import nn

from espnet_plugin.errors import UserError
from espnet_plugin.export.graph.masks import linear_masks
from espnet_plugin.export.graph.operators import constant_sizes
from espnet_plugin.export.ports import Port
from espnet_plugin.export.source import Source

__all__ = ["OPSET", "write_graph", "write_model"]

# The newest one that torch's tracing exporter fully supports; runtimes since 2022 read
# it.
OPSET = 17


def write_model(
    port: Port, source: Source, path: Path, metadata: Mapping[str, str]
) -> None:
    """Write a model that takes whole utterances; see :func:`write_graph`.

    Args:
        port: The form of the graph.
        source: The model.
        path: The file to write.
        metadata: Properties of the file.

    Raises:
        UserError: If torch cannot export the model.
    """
    torch.manual_seed(0)
    module = port.build(source)
    masks = linear_masks(source.model.encoder, getattr(module, "frames", None))
    with masks, constant_sizes(port.size is not None):
        write_graph(
            module,
            port.example(source.facts),
            path,
            port.inputs,
            port.outputs,
            metadata,
            port.axes,
        )


def write_graph(
    module: nn.Module,
    example: tuple[torch.Tensor, ...],
    path: Path,
    inputs: Sequence[str],
    outputs: Sequence[str],
    metadata: Mapping[str, str],
    axes: Optional[Mapping[str, Mapping[int, str]]] = None,
) -> None:
    """Trace a module and write it, with the weights, into one file.

    torch's older exporter is used, because the newer one takes thirty times as long,
    writes the weights into a second file, and writes paths of this machine into the
    first.

    Args:
        module: The module; it is put into evaluation mode.
        example: Example of its inputs.
        path: The file to write.
        inputs: Names of the inputs.
        outputs: Names of the outputs.
        metadata: Properties of the file.
        axes: Axes of free length, as torch's exporter takes them.

    Raises:
        UserError: If torch cannot export it.
    """
    import onnx

    with warnings.catch_warnings(), torch.no_grad():
        # Warnings of tracing: sizes become constants. Other sizes are tried afterwards.
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                module.eval(),
                example,
                str(path),
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_axes=axes,
                opset_version=OPSET,
                dynamo=False,
            )
        except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
            raise UserError(
                f"{path.name}: torch cannot export this model "
                f"({metadata.get('encoder')} encoder): {str(error).splitlines()[0]}"
            ) from error
    content = onnx.load(str(path))
    for node in content.graph.node:
        node.ClearField("doc_string")
    onnx.helper.set_model_props(content, dict(metadata))
    onnx.checker.check_model(content)
    onnx.save(content, str(path))
