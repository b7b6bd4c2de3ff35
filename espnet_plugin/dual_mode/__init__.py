"""One set of weights, two recognisers: dense full-context, and sparse streaming.

``encoder.py`` is the encoder in both modes, ``masks.py`` (with ``granularities``) what
its streaming mode leaves out, ``streaming.py`` its form for utterances still coming in,
``extract.py`` the sub-network as an encoder of its own, and ``recogniser.py`` makes
text of samples. Groups, masks and layers are plain torch.
"""
