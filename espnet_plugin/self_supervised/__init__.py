"""Pre-training on audio alone: wav2vec 2.0, with an encoder of two modes.

``wav2vec2.py`` is the objective (with ``quantiser.py`` and ``contrastive.py``), and
``masking.py`` draws what is hidden from the encoder; these are plain torch. ``loss.py``
and ``model.py`` make them parts of ESPnet's SSL task.
"""
