"""A module of fixed shapes as one ONNX file."""

import warnings
from pathlib import Path
from typing import Mapping, Optional, Sequence

import torch
from torch import nn

from espnet_plugin.errors import UserError
from espnet_plugin.export.write import OPSET

__all__ = ["write_graph"]


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

    Args:
        module: The module; it is put into evaluation mode.
        example: Example of its inputs.
        path: The file to write.
        inputs: Names of the inputs.
        outputs: Names of the outputs.
        metadata: Properties of the file.
        axes: Those of free length, as torch's exporter takes them.

    Raises:
        UserError: If torch cannot export it.
    """
    import onnx

    with warnings.catch_warnings(), torch.no_grad():
        # Of tracing: sizes that become constants, as they are meant to.
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
                f"{path.name}: torch cannot export this model: "
                f"{str(error).splitlines()[0]}"
            ) from error
    content = onnx.load(str(path))
    for node in content.graph.node:
        node.ClearField("doc_string")
    onnx.helper.set_model_props(content, dict(metadata))
    onnx.checker.check_model(content)
    onnx.save(content, str(path))
