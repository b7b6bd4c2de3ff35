"""Derive from a trained model the files that a device runs, and check them."""
