"""A streaming recogniser as files for a device.

``step.py`` is the network for one chunk, ``chunk_graph.py`` and ``wenet_graph.py`` its
forms for onnxruntime and for sherpa-onnx, ``front_end.py`` what makes features of
samples that are still coming in, ``recognise.py`` the script that a folder gets, and
``derive.py`` writes and checks the folder.
"""
