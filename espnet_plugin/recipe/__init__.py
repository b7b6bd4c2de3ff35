"""A finished recipe of ESPnet (``asr.sh``), and what can be taken from it."""
