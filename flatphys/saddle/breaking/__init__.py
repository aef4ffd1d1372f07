"""Replicated solutions and one step of replica-symmetry breaking."""
