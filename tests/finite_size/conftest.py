"""Instances that a recipe defines: the same patterns for everyone who has numpy's generator."""

import math

import numpy as np
import pytest


def _signed_patterns(kind, n, p, seed):
    """(label times pattern, teacher or None) by the records' recipe."""
    rng = np.random.default_rng(seed)
    if kind == "committee":
        return rng.choice([-1.0, 1.0], size=(p, n)), None
    xi = rng.choice([-1, 1], size=(p, n)) if kind in ("random", "teacher") else rng.standard_normal((p, n))
    if kind in ("random", "gauss"):
        return rng.choice([-1, 1], size=p)[:, None] * xi, None
    w = rng.choice([-1, 1], size=n) if kind == "teacher" else rng.standard_normal(n)
    w = w * (1.0 if kind == "teacher" else math.sqrt(n) / np.linalg.norm(w))
    return np.sign(xi @ w)[:, None] * xi, w


@pytest.fixture(scope="session")
def signed_patterns():
    """(kind, n, p, seed) -> (label times pattern (P, N), teacher or None)."""
    return _signed_patterns
