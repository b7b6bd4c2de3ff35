"""Pre-training on audio alone, with an encoder of two modes: wav2vec 2.0 and BEST-RQ.

In plain torch: ``masking.py`` draws which frames are hidden. ``wav2vec2.py`` is the
first objective (with ``quantiser.py`` and ``contrastive.py``), ``best_rq.py`` is the
second (with ``random_projection.py`` and ``stacking.py``).

Parts of ESPnet's SSL task: ``model.py``, which gives both modes the same targets, and
the losses for it, ``loss.py`` (wav2vec 2.0) and ``best_rq_loss.py``;
``dual_mode_loss.py`` is what the model needs of a loss.
"""
