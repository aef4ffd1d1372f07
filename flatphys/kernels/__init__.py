"""One weight, one pattern: pointwise jitted functions, chosen by integer code."""
