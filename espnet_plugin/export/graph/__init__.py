"""The network as a graph of plain tensor operations, for any length of audio."""
