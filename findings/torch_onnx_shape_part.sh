#!/usr/bin/env bash
# PyTorch: its ONNX exporter takes a part of a shape for the whole shape.
#
# Since version 15, ONNX's operator Shape has start and end: the sizes of some axes only,
# which makes reshapes in small graphs one node instead of four. An operator of one's own
# (torch.autograd.Function with `symbolic`) can write it.
#
# With `dynamo=False` and inputs without free axes, PyTorch follows the sizes through the
# graph while it writes it. There it ignores start and end: a reshape to the first two sizes
# of a tensor with three axes, and two more, is taken to have five axes, not four. So the
# transposition after it is written for five axes, and the output is declared with five.
# The export succeeds, and nothing is logged. onnxruntime refuses the file. With free axes,
# sizes are not followed, and the file is right.
#
# It matters because the same module exports well for any length, and fails only once the
# length is fixed, as compilers for small processors need it. What helps: sizes as
# constants in `symbolic`, or Slice after Shape.
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check \
    numpy==2.3.5 onnx==1.23.2 onnxruntime==1.32.0 torch==2.14.1
venv/bin/python - 2> errors <<'EOF' || { cat errors >&2; exit 1; }
import io
import sys
import warnings

import onnx
import onnxruntime
import torch

warnings.simplefilter("ignore")
print("PyTorch", torch.__version__, "onnxruntime", onnxruntime.__version__)


class Heads(torch.autograd.Function):
    """(batch * frames, 8) to (batch, frames, 2, 4); batch and frames are those of `like`."""

    @staticmethod
    def forward(ctx, rows, like):
        return rows.reshape(like.size(0), like.size(1), 2, 4)

    @staticmethod
    def symbolic(g, rows, like):
        first = g.op("Shape", like, start_i=0, end_i=2)
        rest = g.op("Constant", value_t=torch.tensor([2, 4]))
        return g.op("Reshape", rows, g.op("Concat", first, rest, axis_i=0))


class Attention(torch.nn.Module):
    def forward(self, rows, like):
        return Heads.apply(rows, like).transpose(1, 2)


feed = {"rows": torch.randn(6, 8), "like": torch.randn(2, 3, 5)}
free = {"rows": {0: "rows"}, "like": {0: "batch", 1: "frames"}}
right = list(Attention()(*feed.values()).shape)
for axes in (free, None):
    buffer = io.BytesIO()
    torch.onnx.export(
        *(Attention(), tuple(feed.values()), buffer),
        input_names=list(feed),
        dynamic_axes=axes,
        opset_version=17,
        dynamo=False,
    )
    made = onnx.load_from_string(buffer.getvalue())
    (turn,) = [node for node in made.graph.node if node.op_type == "Transpose"]
    order = list(onnx.helper.get_attribute_value(turn.attribute[0]))
    try:
        session = onnxruntime.InferenceSession(buffer.getvalue())
        found = session.run(None, {name: value.numpy() for name, value in feed.items()})
        outcome = f"gives {list(found[0].shape)}"
    except Exception as error:
        outcome = "refused by onnxruntime: " + str(error).split("] ")[-1][:60]
    print(f"{'free' if axes else 'fixed'} axes: transposed by {order}, {outcome}")
    print("  declared output:", [d.dim_value or "?" for d in
                                made.graph.output[0].type.tensor_type.shape.dim])
    if axes and (len(order) != 4 or outcome != f"gives {right}"):
        sys.exit("CHANGED: free axes")
    if not axes and (len(order) != 5 or not outcome.startswith("refused")):
        sys.exit("CHANGED: fixed axes")
EOF
