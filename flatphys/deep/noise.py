"""Local energy of a network: how much its training error and loss rise when noise is put on its weights.

    LE(sigma) = E_z e(w') - e(w),   relative: w' = w (1 + sigma z),   absolute: w' = w + sigma z,
                                    filter:   w' = w + sigma |w_s| / sqrt(dim w_s) z for the weights w_s of one neuron or filter s

z standard normal for each parameter, biases and the affine ones of batch norm too (one number is a filter of its own there: relative).
"relative" does not change under any diagonal rescaling of the weights that leaves the function alone, "absolute" does.  For one logistic
output on the patterns of a solvable model it is `fp.local_energy(state, sigma=...)`.

Draw k has its own generator from (seed, k), and its z serves every sigma: more draws extend the same sequence, on any device.

Source: Pittorino et al. ICLR 2021 (relative noise); Li et al. NeurIPS 2018 (filters).
"""

import math
from dataclasses import dataclass

import numpy as np
import torch

from flatphys import validate
from flatphys.deep.building import mixed
from flatphys.deep.evaluate import BATCH, checked, copied, error_and_loss, placed, recompute_statistics
from flatphys.deep.losses import loss_of
from flatphys.display import Table

NOISES = ("relative", "absolute", "filter")
STATISTICS = ("recompute", "frozen")


@dataclass(frozen=True, eq=False, repr=False)
class LocalEnergy(Table):
    """Rises of the training error and loss at each sigma.

    Attributes
    ----------
    sigma, value, error, loss, loss_error : arrays of the shape of sigma
        `value` and `loss` are means over draws, with the standard errors of these means.
    train_error, train_loss : float
        Of the weights themselves.
    draws : int
    noise : str
    """

    sigma: np.ndarray
    value: np.ndarray
    error: np.ndarray
    loss: np.ndarray
    loss_error: np.ndarray
    train_error: float
    train_loss: float
    draws: int
    noise: str

    def _title(self):
        return f"Local energy of a network, {self.noise} noise, {self.draws} draws"

    def _rows(self):
        rows = [("train_error", f"{self.train_error:.6g}"), ("train_loss", f"{self.train_loss:.6g}")]
        numbers = zip(*(np.ravel(part) for part in (self.sigma, self.value, self.error, self.loss, self.loss_error)))
        return rows + [(f"sigma {s:g}", f"error {v:+.4g} +- {e:.2g}, loss {l:+.4g} +- {le:.2g}") for s, v, e, l, le in numbers]

    def plot(self, ax=None, **style):
        """The rise of the training error against sigma, with error bars, on matplotlib axes."""
        import matplotlib.pyplot as plt

        ax = plt.subplots()[1] if ax is None else ax
        ax.errorbar(np.ravel(self.sigma), np.ravel(self.value), np.ravel(self.error), **{"marker": "o", "ms": 3, "capsize": 2, **style})
        ax.set_xlabel(f"{self.noise} noise $\\sigma$")
        ax.set_ylabel("rise of the training error")
        return ax


def local_energy(
    network,
    data,
    sigma,
    draws: int = 32,
    seed: int = 0,
    noise: str = "relative",
    statistics: str = "recompute",
    loss="cross-entropy",
    *,
    batch: int = BATCH,
) -> LocalEnergy:
    """The local energy of a network on its training data.

    Parameters
    ----------
    network : torch.nn.Module
        It is copied: its weights, mode and gradients stay.
    data : Data
    sigma : float or array of floats >= 0
        Strengths of the noise.
    draws : int >= 2
        Of the noise.
    noise : "relative", "absolute" or "filter"
    statistics : "recompute" or "frozen"
        Of batch norm: measured on the training data for every draw (and for the weights themselves), or those of the network.
    loss : "cross-entropy", "logistic" or a function of (output, target)
    batch : int
        Examples of a minibatch.

    Raises
    ------
    InvalidInput
        sigma negative, empty or nan, too few draws, labels beyond the outputs, inputs of another shape.
    """
    sigma, draws = validate.array("sigma", sigma, 0.0, math.inf, "["), validate.integer("draws", draws, 2)
    seed, batch = validate.seed(seed), validate.integer("batch", batch, 1)
    noise, statistics = validate.choice("noise", noise, NOISES), validate.choice("statistics", statistics, STATISTICS)
    measure, one = loss_of(loss), copied(network)
    data = placed(one, data)
    checked(one, data, measure)
    x, y = data.train_x, data.train_y
    parameters = list(one.parameters())
    start = [w.detach().clone() for w in parameters]
    scales = [_scale(w, noise) for w in start]

    def measured():
        if statistics == "recompute":
            recompute_statistics(one, x, batch)
        return error_and_loss(one, x, y, measure, batch)

    at_rest = measured()
    rises = np.empty((draws, sigma.size, 2))
    with torch.no_grad():
        for k in range(draws):
            # draws in the parameter's own precision, on the processor: the same numbers on every device
            generator = torch.Generator().manual_seed(mixed(seed, k))
            z = [torch.randn(w.shape, generator=generator, dtype=w.dtype).to(w.device) for w in start]
            for i, strength in enumerate(sigma.ravel()):
                for parameter, w, scale, one_z in zip(parameters, start, scales, z):
                    torch.addcmul(w, scale, one_z, value=float(strength), out=parameter)
                rises[k, i] = np.subtract(measured(), at_rest)
    mean, error = rises.mean(axis=0), rises.std(axis=0, ddof=1) / math.sqrt(draws)
    columns = (part[:, j].reshape(sigma.shape) for j in (0, 1) for part in (mean, error))
    return LocalEnergy(sigma, *columns, *at_rest, draws, noise)


def _scale(w, noise):
    """What sigma z is multiplied by."""
    if noise == "absolute":
        return torch.ones_like(w)
    if noise == "relative" or w.ndim < 2:
        return w.clone()
    rows = w.reshape(len(w), -1)
    return (rows.norm(dim=1, keepdim=True) / math.sqrt(rows.shape[1])).expand_as(rows).reshape(w.shape).contiguous()
