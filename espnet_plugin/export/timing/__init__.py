"""Measure time, memory and start-up time of an exported file on this machine."""
