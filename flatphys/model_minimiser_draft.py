"""Merged into model.py; goes away."""

from flatphys.model import ERM, GaussianMixture, Hebb  # noqa: F401
