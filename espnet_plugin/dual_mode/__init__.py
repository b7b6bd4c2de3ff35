"""One set of weights, two recognisers: dense full-context, and sparse streaming."""
