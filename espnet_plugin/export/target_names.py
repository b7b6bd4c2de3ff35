"""The targets of an export by name; nothing else lists them.

A module of its own that imports nothing: the command's options are read without waiting
for ESPnet, and so are those of the recipes (``recipe/options/``).
"""

__all__ = ["STREAMING_TARGETS", "TARGETS"]

# What each is for, as `--help` of the command says it.
TARGETS = {
    "onnx": "for any program with onnxruntime",
    "sherpa-onnx": "for its programs",
}
# Those that a streaming model can be exported to.
STREAMING_TARGETS = ("onnx", "sherpa-onnx")
