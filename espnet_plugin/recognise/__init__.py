"""Sound files to text, word times, confidence and alternatives.

Only ``espnet_model`` and ``live`` need torch and ESPnet. The rest is NumPy, so that a
model in another runtime is recognised with by the same code.
"""
