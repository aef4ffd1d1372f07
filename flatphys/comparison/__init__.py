"""Theory beside simulation."""
