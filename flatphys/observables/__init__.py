"""Questions about a state: one per file."""
