"""Which layers carry what: a linear CTC probe on every layer of a frozen recogniser.

``heads.py`` (the probes) and ``fit.py`` (their training and scores) are plain torch,
``options.py`` says how they are trained.
``layers.py`` gets the outputs of the layers from a model, ``utterances.py`` reads a
Kaldi folder, ``experiment.py`` puts them together for an experiment folder, and
``report.py`` writes table, JSON and picture.
"""
