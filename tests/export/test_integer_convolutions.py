"""Convolutions of 8-bit integers against PyTorch's with rounded numbers."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from espnet_plugin.export.quantise import (
    products_of,
    quantise,
    quantised_products,
    stored_of,
)

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def write(path, channels, kernel, bias=True, **attributes):
    """Write a model of one convolution with random weights, and return these."""
    generator = np.random.default_rng(1)
    into = channels // attributes.get("group", 1)
    weight = generator.normal(size=(24, into, *kernel)).astype(np.float32)
    # Channels of different size, so that one scale for all would be noticed.
    weight *= np.geomspace(0.01, 10, 24, dtype=np.float32).reshape(-1, 1, 1, 1)
    shift = generator.normal(size=24).astype(np.float32)
    weights = {"weight": weight, **({"shift": shift} if bias else {})}
    make = onnx.helper.make_node
    float32 = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [make("Conv", ["x", *weights], ["y"], "/network/conv/Conv", **attributes)],
        "graph",
        [onnx.helper.make_tensor_value_info("x", float32, ["b", channels, "h", "w"])],
        [onnx.helper.make_tensor_value_info("y", float32, ["b", 24, "i", "j"])],
        [onnx.numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return weight, shift if bias else None


def run(path, x):
    return onnxruntime.InferenceSession(str(path)).run(None, {"x": x})[0]


def rounded_input(x):
    """Return an input as ONNX defines ``DynamicQuantizeLinear``, in numbers again."""
    low, high = min(0.0, float(x.min())), max(0.0, float(x.max()))
    scale = np.float32((high - low) / 255)
    zero = np.clip(np.rint(-low / scale), 0, 255)
    return (np.clip(np.rint(x / scale) + zero, 0, 255) - zero) * scale


def rounded_weight(weight):
    scale = np.abs(weight).max(axis=(1, 2, 3), keepdims=True) / 127
    return np.rint(weight / scale) * scale


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    "kernel, strides, size",
    [
        ((3, 3), (2, 2), (19, 40)),  # conv2d
        ((5, 5), (3, 3), (5, 23)),  # conv2d6
        ((3, 3), (1, 1), (3, 3)),  # a single window
        ((1, 3), (2, 1), (4, 9)),
        ((2, 5), (1, 3), (7, 12)),
    ],
)
def test_it_is_the_convolution_of_rounded_numbers(
    tmp_path, kernel, strides, size, bias
):
    weight, shift = write(tmp_path / "a.onnx", 16, kernel, bias, strides=strides)
    assert products_of(tmp_path / "a.onnx") == ["/network/conv/Conv"]
    assert stored_of(tmp_path / "a.onnx") == []
    quantise(tmp_path / "a.onnx", tmp_path / "b.onnx")
    assert quantised_products(tmp_path / "b.onnx") == 1
    x = np.random.default_rng(2).normal(1.0, 2.0, (2, 16, *size)).astype(np.float32)
    expected = F.conv2d(
        torch.from_numpy(rounded_input(x)).double(),
        torch.from_numpy(rounded_weight(weight)).double(),
        None if shift is None else torch.from_numpy(shift).double(),
        strides,
    ).numpy()
    found = run(tmp_path / "b.onnx", x)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)
    # The rounding itself is small, but it is there.
    exact = run(tmp_path / "a.onnx", x)
    largest = np.abs(weight).reshape(24, -1).sum(axis=1) * np.abs(x).max()
    error = np.abs(found - exact).max(axis=(0, 2, 3)) / largest
    assert 0 < error.max() < 0.02


@pytest.mark.parametrize(
    "channels, attributes",
    [
        (8, {}),
        (24, {"group": 24}),
        (16, {"pads": [1, 1, 1, 1]}),
        (16, {"auto_pad": "SAME_UPPER"}),
        (16, {"dilations": [2, 1]}),
    ],
)
def test_others_keep_32_bits_and_their_weights_are_stored_in_8(
    tmp_path, channels, attributes
):
    weight, shift = write(tmp_path / "a.onnx", channels, (3, 3), **attributes)
    assert products_of(tmp_path / "a.onnx") == []
    assert stored_of(tmp_path / "a.onnx") == ["/network/conv/Conv"]
    quantise(tmp_path / "a.onnx", tmp_path / "b.onnx")
    assert quantised_products(tmp_path / "b.onnx") == 0
    x = np.random.default_rng(2).normal(size=(1, channels, 9, 9)).astype(np.float32)
    exact, found = (run(tmp_path / f"{name}.onnx", x) for name in "ab")
    assert found.shape == exact.shape
    assert 0 < np.abs(found - exact).max() < 0.02 * np.abs(exact).max()


def test_one_that_is_kept_is_not_changed(tmp_path):
    write(tmp_path / "a.onnx", 16, (3, 3))
    quantise(tmp_path / "a.onnx", tmp_path / "b.onnx", ["/network/conv/Conv"])
    assert (tmp_path / "b.onnx").read_bytes() == (tmp_path / "a.onnx").read_bytes()


def test_silence_stays_silence(tmp_path):
    _, shift = write(tmp_path / "a.onnx", 16, (3, 3))
    quantise(tmp_path / "a.onnx", tmp_path / "b.onnx")
    found = run(tmp_path / "b.onnx", np.zeros((1, 16, 5, 5), np.float32))
    np.testing.assert_allclose(found[0, :, 0, 0], shift, rtol=1e-6)
