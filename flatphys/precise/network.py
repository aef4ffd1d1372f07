"""How overlaps pass through a network, in mpmath: c(Q), 1 - c(Q), c' and c'' from their closed forms."""

import mpmath as mp

from flatphys.errors import InvalidInput
from flatphys.model import Perceptron

KNOWN = ("sign", "erf", "relu")  # closed forms below


class Through:
    """The kernel of a network at any precision; v = 1 - q is given beside q and keeps its digits."""

    def __init__(self, network):
        self.kind = "perceptron" if isinstance(network, Perceptron) else network.activation
        if self.kind not in ("perceptron", *KNOWN):
            raise InvalidInput(
                f"activation must be {' or '.join(map(repr, KNOWN))} for flatphys.precise, got {self.kind!r}: others are known to double "
                "precision only"
            )

    @property
    def bends_sharply(self):
        """Whether c'' diverges at full overlap."""
        return self.kind in ("sign", "relu")

    def overlap(self, v, q):
        """(1 - c, c)."""
        if self.kind == "perceptron":
            return v, q
        if self.kind == "sign":
            other = 4 / mp.pi * mp.asin(mp.sqrt(v / 2))
            return other, (2 / mp.pi * mp.asin(q) if q < 0.5 else 1 - other)
        if self.kind == "erf":
            a = mp.mpf(2) / 3
            return (mp.asin(a) - mp.asin(a * q)) / mp.asin(a), mp.asin(a * q) / mp.asin(a)
        theta = 2 * mp.asin(mp.sqrt(v / 2))
        other = (mp.pi * v - (mp.sin(theta) - theta * mp.cos(theta))) / (mp.pi - 1)
        return other, 1 - other if q > 0.5 else (q * (mp.pi - theta) - q * q / (1 + mp.sqrt(1 - q * q))) / (mp.pi - 1)

    def slope(self, v, q):
        """c'."""
        if self.kind == "perceptron":
            return mp.mpf(1)
        if self.kind == "sign":
            return 2 / mp.pi / mp.sqrt(v * (1 + q))
        if self.kind == "erf":
            a = mp.mpf(2) / 3
            return a / (mp.asin(a) * mp.sqrt(1 - (a * q) ** 2))
        return (mp.pi - 2 * mp.asin(mp.sqrt(v / 2))) / (mp.pi - 1)

    def curvature(self, v, q):
        """c''."""
        if self.kind == "perceptron":
            return mp.mpf(0)
        if self.kind == "sign":
            return 2 / mp.pi * q / (v * (1 + q)) ** mp.mpf(1.5)
        if self.kind == "erf":
            a = mp.mpf(2) / 3
            return a**3 * q / (mp.asin(a) * (1 - (a * q) ** 2) ** mp.mpf(1.5))
        return 1 / ((mp.pi - 1) * mp.sqrt(v * (1 + q)))
