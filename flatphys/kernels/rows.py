"""Channels and weights along arrays: one packed loop for each entry of `kernels.channels`, the choice between them outside of it.

A choice inside a loop over nodes keeps LLVM from packing it into lanes (`numerics.vector`), even where it is the same at every node.  So
each entry, written as plain expressions, is put into a loop of its own, and what is called here chooses a loop; an unknown code gives nan.
"""

import math

import numpy as np

from flatphys._jit import jit
from flatphys.kernels.channels import ENTRIES, hard_channel, hard_scalars, walled
from flatphys.kernels.codes import MIXTURE, RANDOM
from flatphys.kernels.labels import label_slope, label_weight
from flatphys.kernels.near_one import relative_log_f
from flatphys.kernels.weights import binary_beside


def _all_of(channel):
    """The loop that fills log f, a, b of one entry."""

    def loop(x, beta, sigma, out):
        log_f, a, b = out[0], out[1], out[2]
        for i in range(x.size):
            log_f[i], a[i], b[i] = channel(x[i], beta, sigma)

    return jit(loop)


def _slope_of(channel):
    """The loop that fills a alone."""

    def loop(x, beta, sigma, out):
        a = out[0]
        for i in range(x.size):
            a[i] = channel(x[i], beta, sigma)[1]

    return jit(loop)


def _scalars_of(scalars):
    """The loop that fills the share below the margin and the mean energy."""

    def loop(x, beta, sigma, out):
        share, mean = out[0], out[1]
        for i in range(x.size):
            share[i], mean[i] = scalars(x[i], beta, sigma)

    return jit(loop)


def _choice(name, make, hard, which):
    """The compiled function that runs the loop of a channel's energy; every energy with a flat side is a hard wall at beta = inf."""
    loops = {f"loop_{code}": make(entry[which]) for code, entry in ENTRIES.items()}
    space = {"__name__": __name__, "inf": math.inf, "nan": math.nan, "walled": walled, "hard": make(hard), **loops}
    lines = [f"def {name}(ch, x, sigma, out):"]
    lines += ["    if ch.beta == inf and walled(ch.energy):", "        hard(x, ch.beta, sigma, out)"]
    for code in ENTRIES:
        lines += [f"    elif ch.energy == {code}:", f"        loop_{code}(x, ch.beta, sigma, out)"]
    exec("\n".join([*lines, "    else:", "        out[:] = nan"]), space)
    return jit(space[name])


channel_rows = _choice("channel_rows", _all_of, hard_channel, 0)  # (ch, x, sigma, out): rows log f, a, b
slope_rows = _choice("slope_rows", _slope_of, hard_channel, 0)  # one row a
scalar_rows = _choice("scalar_rows", _scalars_of, hard_scalars, 1)  # rows share below the margin, mean energy


@jit
def relative_rows(ch, x, sigma, log_f):
    """`log_f` made good to its last digits where f is close to 1 (`kernels.near_one`)."""
    for i in range(x.size):
        log_f[i] = relative_log_f(ch, x[i], sigma, log_f[i])


@jit
def label_rows(labels, k, z, out):
    """W at every z (`kernels.labels`)."""
    if labels.kind == RANDOM or labels.kind == MIXTURE:
        out[:] = 1.0
        return
    for i in range(z.size):
        out[i] = label_weight(labels, k, z[i])


@jit
def signal_rows(labels, k, z, out):
    """What a is multiplied by where it pulls along the signal (`kernels.labels.signal_slope`)."""
    if labels.kind == MIXTURE:
        out[:] = 1.0 / math.sqrt(labels.variance)
        return
    for i in range(z.size):
        out[i] = label_slope(labels, k, z[i])


@jit
def weight_rows(h, out):
    """Rows log 2cosh h - |h|, tanh |h|, sech^2 h, 1 - tanh h of binary weights."""
    for i in range(h.size):
        out[0, i], out[1, i], out[2, i], out[3, i] = binary_beside(h[i])


@jit
def places(start, step, u, n):
    """start + step u_i for i < n."""
    x = np.empty(n)
    for i in range(n):
        x[i] = start + step * u[i]
    return x
