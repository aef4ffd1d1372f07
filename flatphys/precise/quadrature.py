"""Averages over a Gaussian variable in mpmath, at any number of digits; knows no physics."""

import mpmath as mp

from flatphys.errors import NotConverged

GUARD = 15  # digits of arithmetic beyond those asked for, before any that a cancellation costs


def density(x):
    """G(x); mpmath's own `npdf` takes ten times as long."""
    return mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)


def tail(x):
    """H(x)."""
    return mp.erfc(x / mp.sqrt(2)) / 2


def owen_t(h, a):
    """T(h, a) = Int_0^a exp(-h^2 (1+x^2)/2)/(1+x^2) dx/(2 pi), a >= 0."""
    if a > 1:
        up, down = mp.ncdf(abs(h)), mp.ncdf(abs(h) * a)
        return (up + down) / 2 - up * down - owen_t(abs(h) * a, 1 / a)
    pieces = 1 + int(abs(h) * a / 3) + int(4 * a)
    if h == 0:
        return mp.atan(a) / (2 * mp.pi)
    if abs(h) ** 2 > 3 * mp.mp.dps * mp.log(10):
        return mp.mpf(0)
    return mp.quad(lambda x: mp.exp(-h * h * (1 + x * x) / 2) / (1 + x * x), mp.linspace(0, a, pieces + 1), method="gauss-legendre") / (
        2 * mp.pi
    )


def labels_below(x, k, flip):
    """Int_{z<x} Dz 2 [(1-flip) H(-kz) + flip H(kz)]."""
    return mp.ncdf(x) - 2 * (1 - 2 * flip) * owen_t(x, k)


class Rule:
    """Trapezoid sums for Int Dz f(z), in the variable t of t(z) = sum_j asinh((z - c_j)/w_j).

    The integrand may vary, or have singularities in the complex plane, on the scale w_j around c_j: there
    the nodes lie densely, away from there they spread geometrically, and a step h in t costs an
    error exp(-const/h) whatever the widths.  Halving h therefore squares the error, which is how
    `settle` knows when to stop; `between` is the sum over the midpoints, as good as the first and independent of it.
    """

    def __init__(self, marks, reach, digits):
        self._digits = digits
        widest = reach / 2  # the Gaussian itself
        marks = [(mp.mpf(c), min(mp.mpf(w), widest)) for c, w in marks if abs(c) < reach]
        kept = []
        for c, w in sorted(marks, key=lambda mark: mark[1]) or [(mp.mpf(0), widest)]:
            if all(w < abs(c - other) / 2 for other, _ in kept):  # else the nodes around a narrower mark resolve it already
                kept.append((c, w))
        (self._c, self._w), *self._others = kept
        self._ends = [mp.asinh((end - self._c) / self._w) for end in (-reach, reach)]
        self._h = mp.mpf(4) * mp.pi**2 / (2 * digits * mp.log(10))
        self._base = self._nodes(0)
        self._middle = None

    def _t(self, y):
        """(z, dz/dy, t, dt/dy) at z = c + w sinh(y), the first mark's own variable."""
        sinh, cosh = mp.sinh(y), mp.cosh(y)
        z, dz = self._c + self._w * sinh, self._w * cosh
        t, dt = y, mp.mpf(1)
        for c, w in self._others:
            u = (z - c) / w
            t += mp.asinh(u)
            dt += dz / (w * mp.sqrt(1 + u * u))
        return z, dz, t, dt

    def _nodes(self, offset):
        """[(z, G(z) dz/dt)] at t = (i + offset) h."""
        low, high = (self._t(y)[2] for y in self._ends)
        nodes, y = [], self._ends[0]
        for i in range(int(mp.ceil(low / self._h - offset)), int(mp.floor(high / self._h - offset)) + 1):
            target = (i + offset) * self._h
            y = target if not self._others else self._invert(y, target)
            z, dz, _, dt = self._t(y)
            nodes.append((z, density(z) * dz / dt))
        return nodes

    def _invert(self, y, target):
        _, _, t, dt = self._t(y)
        small = mp.mpf(10) ** (8 - mp.mp.dps)
        for _ in range(200):
            step = (target - t) / dt
            if abs(step) <= small * (1 + abs(y)):
                return y + step
            while True:  # t(y) rises: a step that does not come closer has overshot
                _, _, new, slope = self._t(y + step)
                if abs(new - target) < abs(t - target) or abs(step) <= small:
                    break
                step /= 2
            y, t, dt = y + step, new, slope
        raise NotConverged("a node of the quadrature was not found", {"t": target})

    @staticmethod
    def _sums(nodes, function):
        columns = zip(*([weight * value for value in function(z)] for z, weight in nodes))
        return [mp.fsum(column) for column in columns]

    def settle(self, function):
        """Halve the step until `function`'s averages have converged to the digits asked for."""
        sums = self._sums(self._base, function)
        for _ in range(9):
            middle = self._sums(self._midpoints(), function)
            both = [(a + b) / 2 for a, b in zip(sums, middle)]
            change = max(abs(a - b) / abs(b) for a, b in zip(sums, both) if b != 0)
            self.halve()
            sums = both
            if change < mp.mpf(10) ** (-self._digits / 2 - 2):
                return self
            sums = [2 * s for s in sums]
        raise NotConverged(f"the averages did not converge to {self._digits} digits; ask for fewer", {"step": self._h})

    def halve(self):
        """Half the step, twice the nodes."""
        self._base = sorted(self._base + self._midpoints())
        self._h /= 2
        self._middle = None

    def _midpoints(self):
        if self._middle is None:
            self._middle = self._nodes(mp.mpf(1) / 2)
        return self._middle

    def average(self, function):
        """Int Dz of each value that `function(z)` returns."""
        return [self._h * s for s in self._sums(self._base, function)]

    def between(self, function):
        """The same from the midpoints of the nodes."""
        return [self._h * s for s in self._sums(self._midpoints(), function)]
