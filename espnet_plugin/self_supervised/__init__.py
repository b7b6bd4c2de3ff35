"""Pre-training on audio alone with a dual-mode encoder: wav2vec 2.0 and BEST-RQ.

In plain torch: ``masking.py`` draws the masks. ``wav2vec2.py`` is the objective of
wav2vec 2.0 (with ``quantiser.py`` and ``contrastive.py``), ``best_rq.py`` that of
BEST-RQ (with ``random_projection.py`` and ``stacking.py``).

Parts for ESPnet's SSL task: ``model.py``, which gives both modes the same targets, and
its losses ``loss.py`` (wav2vec 2.0) and ``best_rq_loss.py``. ``dual_mode_loss.py`` is
the interface of these losses.
"""
