"""One set of weights, two recognisers: dense full-context, and sparse streaming.

``encoder.py`` is the encoder with both modes. ``masks.py`` (with ``granularities``) has
the masks of the streaming mode, ``streaming.py`` encodes audio as it arrives,
``extract.py`` cuts the sub-network out, and ``recogniser.py`` turns samples into text.
Groups, masks and layers are plain torch.
"""
