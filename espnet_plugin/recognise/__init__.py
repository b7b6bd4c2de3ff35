"""Sound files to text, word times, confidence and alternatives.

Only ``espnet_model`` and ``live`` need torch and ESPnet. The rest uses NumPy, so the
same code also recognises with models in other runtimes.
"""
