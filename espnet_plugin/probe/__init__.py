"""Linear CTC probes on every layer of a frozen recogniser.

``heads.py`` (the probes) and ``fit.py`` (their training and scores, with the options of
``options.py``) are plain torch. ``layers.py`` gets the outputs of the layers from a
model, ``utterances.py`` reads a Kaldi folder, ``experiment.py`` combines them for
experiment folders, and ``report.py`` writes table, JSON and picture.
"""
