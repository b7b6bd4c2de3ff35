"""Constants that are mostly zeros, against ONNX's own evaluation of the graph."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from espnet_plugin.export.sparse import store_sparsely

FLOAT = TensorProto.FLOAT


def model_with(matrix):
    rows, columns = matrix.shape
    value = numpy_helper.from_array(matrix)
    nodes = [
        helper.make_node("Identity", ["x"], ["y"]),
        helper.make_node("Constant", [], ["weights"], value=value),
        helper.make_node("MatMul", ["weights", "y"], ["z"]),
    ]
    ends = [
        helper.make_tensor_value_info("x", FLOAT, [columns, 3]),
        helper.make_tensor_value_info("z", FLOAT, [rows, 3]),
    ]
    graph = helper.make_graph(nodes, "graph", ends[:1], ends[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def evaluated(model):
    x = np.random.default_rng(1).standard_normal((120, 3)).astype(np.float32)
    return ReferenceEvaluator(model).run(None, {"x": x})[0]


@pytest.mark.parametrize("filled, expected", [(0, 1), (70, 1), (1000, 0)])
def test_the_values_stay_the_same(filled, expected):
    generator = np.random.default_rng(0)
    matrix = np.zeros((50, 120), dtype=np.float32)
    places = generator.choice(matrix.size, filled, replace=False)
    matrix.reshape(-1)[places] = generator.standard_normal(filled)
    model = model_with(matrix)
    before, size = evaluated(model), model.ByteSize()
    assert store_sparsely(model.graph) == expected
    onnx.checker.check_model(model, full_check=True)
    np.testing.assert_array_equal(evaluated(model), before)
    assert model.ByteSize() < size / 10 if expected else model.ByteSize() == size


def test_small_constants_are_left():
    model = model_with(np.zeros((5, 120), dtype=np.float32))
    assert store_sparsely(model.graph) == 0
