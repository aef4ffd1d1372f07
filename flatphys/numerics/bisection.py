"""Integrals of functions of unknown structure: panels halved until their sums agree.

Panels use Gauss-Lobatto nodes: a jump next to an edge, where Gauss's rule has no nodes, would else be overlooked.  The outermost nodes
stand a hair inside, on the panel's own side of a known jump.
"""

import numpy as np

from flatphys.errors import NotConverged

_BASIS = np.polynomial.legendre.Legendre.basis(16)
LOBATTO_X = np.concatenate([[-1.0 + 1e-12], np.sort(_BASIS.deriv().roots().real), [1.0 - 1e-12]])
LOBATTO_W = 2.0 / (17.0 * 16.0 * np.concatenate([[1.0], _BASIS(LOBATTO_X[1:-1]) ** 2, [1.0]]))

TOLERANCE = 3e-15  # of the integral's scale
ROUNDS = 50  # a panel is halved at most so often


def integrate(function, edges, rounding=0.0):
    """Integral of `function` over the panels between `edges`.

    `function` maps an array of places to an array of values, or to rows of them; the result is one
    number, or one per row.  `rounding` is an error of the values that no halving removes.  Raises
    NotConverged if the panels do not settle.
    """
    edges = np.unique(np.asarray(edges, dtype=float))
    left, right = edges[:-1], edges[1:]

    def sums(a, b):
        half = 0.5 * (b - a)
        x = (0.5 * (a + b))[:, None] + half[:, None] * LOBATTO_X
        return np.atleast_2d(function(x.ravel())).reshape(-1, *x.shape) @ LOBATTO_W * half

    total, whole = 0.0, sums(left, right)
    allowed = TOLERANCE * np.abs(whole).sum(axis=1, keepdims=True) + rounding
    for _ in range(ROUNDS):
        mid = 0.5 * (left + right)
        first, second = sums(left, mid), sums(mid, right)
        fine = first + second
        settled = np.all(np.abs(fine - whole) <= allowed, axis=0)
        total = total + fine[:, settled].sum(axis=1)
        if settled.all():
            return total if total.size > 1 else float(total[0])
        left, right = np.concatenate([left[~settled], mid[~settled]]), np.concatenate([mid[~settled], right[~settled]])
        whole = np.concatenate([first[:, ~settled], second[:, ~settled]], axis=1)
    raise NotConverged(f"an integral did not settle: its panels were halved {ROUNDS} times", best=total)
