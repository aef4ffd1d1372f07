"""Products of patterns with vectors, on what is stored."""

import numpy as np
import pytest

from flatphys.finite_size.messages.products import along_patterns, along_weights


@pytest.mark.parametrize("kind", [np.int8, np.float32, np.float64])
@pytest.mark.parametrize("n, p", [(1, 1), (3, 70), (10, 64), (37, 200), (12, 1100)])
def test_they_are_those_of_matrices_for_every_shape_and_dtype(n, p, kind):
    rng = np.random.default_rng(n)
    x = rng.choice([-1, 1], size=(n, p)).astype(np.int8) if kind == np.int8 else rng.standard_normal((n, p)).astype(kind)
    m, g = rng.standard_normal(n), rng.standard_normal(p)
    for dtype, digits in ((np.float64, 1e-13), (np.float32, 1e-4)):
        sums, fields = np.full(p, np.nan, dtype), np.full(n, np.nan, dtype)
        along_weights(x, m.astype(dtype), sums)
        along_patterns(x, g.astype(dtype), fields)
        assert sums == pytest.approx(m @ x.astype(float), abs=digits * n)
        assert fields == pytest.approx(x.astype(float) @ g, abs=digits * p)
