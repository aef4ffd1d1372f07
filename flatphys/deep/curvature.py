"""Relative flatness of one layer, and the trace of its Hessian.

With rows w_s of the layer's weights (of a convolution: flattened filters) and the Hessian H_ss' of the mean training loss in them,

    kappa = sum_ss' <w_s, w_s'> Tr H_ss'                                          raw
    kappa = sum_ss' sum_j W_sj W_s'j S_j^2  sum_k H_sk,s'k / S_k^2                standardised, S_j the spread of the layer's j-th input

Small kappa is flat.  Layer-wise rescaling, and neuron-wise rescaling of the layer's own neurons, leave it alone; neuron-wise rescaling of
the layer before does not, unless the inputs are standardised (inputs that never change are left out of both sums).

Three roads.  For a dense layer whose output is the network's, H follows from the outputs' probabilities p and the layer's inputs phi:

    cross-entropy   sum_k H_sk,s'k / S_k^2 = mean sum_k (phi_k/S_k)^2 (p_s delta_ss' - p_s p_s')
    logistic        sum_k H_k,k / S_k^2    = mean sum_k (phi_k/S_k)^2 p (1 - p)

Small layers have their Hessian row by row.  Others are estimated: with V = R Z, R R^T = W W^T (R = U S of the singular value
decomposition) and Z of independent signs, E <V, H V> = kappa with the variance 2 sum_offdiagonal (R^T H R)^2.  H V is a derivative of
the gradient along V: the gradient's graph, from the layer's weights on, is made once for each minibatch and serves all draws.

Source: Petzka et al. NeurIPS 2021; Hutchinson 1990.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from flatphys import validate
from flatphys.deep.evaluate import BATCH, checked, copied, placed
from flatphys.deep.losses import loss_of
from flatphys.display import Table
from flatphys.errors import InvalidInput

METHODS = ("auto", "exact", "hutchinson")
FEATURES = ("raw", "standardised")
SMALL = 600  # weights of a layer whose Hessian is made row by row without being asked for
LARGEST = 5000  # ... when it is asked for
LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


@dataclass(frozen=True, eq=False, repr=False)
class RelativeFlatness(Table):
    """kappa of a layer and its plain trace.

    Attributes
    ----------
    value, error : float
        kappa with its standard error (0 where it is exact).
    trace, trace_error : float
        Tr H of the layer's weights.
    layer : str
        The module's name.
    method : "closed form", "exact" or "hutchinson"
    features : "raw" or "standardised"
    draws : int
        0 where nothing was drawn.
    """

    value: float
    error: float
    trace: float
    trace_error: float
    layer: str
    method: str
    features: str
    draws: int

    def _title(self):
        return f"Relative flatness of the layer {self.layer!r}, {self.features} features"

    def _rows(self):
        how = self.method + (f", {self.draws} draws" if self.draws else "")
        return [("value", _shown(self.value, self.error)), ("trace", _shown(self.trace, self.trace_error)), ("method", how)]


def _shown(value, error):
    return f"{value:.6g}" + (f" +- {error:.2g}" if error else "")


def relative_flatness(
    network,
    data,
    layer: str | None = None,
    loss="cross-entropy",
    method: str = "auto",
    draws: int = 64,
    seed: int = 0,
    features: str = "raw",
    *,
    batch: int = BATCH,
) -> RelativeFlatness:
    """kappa and the trace of the Hessian for one layer of a network, on its training data, with batch norm and dropout as in evaluation.

    Parameters
    ----------
    network : torch.nn.Module
        It is copied: its weights, mode and gradients stay.
    data : Data
    layer : str, optional
        Name of a dense or convolutional module, as in `network.named_modules()`; None: the last one.
    loss : "cross-entropy", "logistic" or a function of (output, target)
        Without weight decay, which belongs to the optimiser.
    method : "auto", "exact" or "hutchinson"
        "exact": the closed form where there is one, else the Hessian (up to 5000 weights).  "auto": that for a last layer and up to 600
        weights, beyond them Hutchinson's estimate.
    draws : int >= 2
        Of the estimate.
    seed : int
    features : "raw" or "standardised"
    batch : int
        Examples of a minibatch.

    Raises
    ------
    InvalidInput
        Unknown layers, a Hessian too large to be exact, labels beyond the outputs.

    >>> deep.relative_flatness(run.network, data).value
    27.0
    """
    method, features = validate.choice("method", method, METHODS), validate.choice("features", features, FEATURES)
    draws, seed, batch = validate.integer("draws", draws, 2), validate.seed(seed), validate.integer("batch", batch, 1)
    measure, one = loss_of(loss), copied(network)
    name, module = _layer(one, layer)
    data = placed(one, data)
    checked(one, data, measure)
    task = _Task(one, module, measure, data.train_x, data.train_y, batch)
    w = module.weight.detach().reshape(len(module.weight), -1)
    spread = task.spread() if features == "standardised" else torch.ones_like(w[0])
    inverse = torch.where(spread > 0.0, 1.0 / spread, 0.0)
    scaled = w * torch.where(spread > 0.0, spread, 0.0)
    shape, closed = {"layer": name, "features": features}, method != "hutchinson" and task.is_last()
    if closed or method == "exact" or (method == "auto" and w.numel() <= SMALL):
        if not closed and w.numel() > LARGEST:
            raise InvalidInput(f"method must be 'hutchinson' for a layer of {w.numel()} weights (exact: up to {LARGEST}), got {method!r}")
        traced, plain = (task.closed if closed else task.exact)(inverse)
        value = float(((scaled @ scaled.T).double() * traced).sum())
        return RelativeFlatness(value, 0.0, plain, 0.0, method="closed form" if closed else "exact", draws=0, **shape)
    samples = task.hutchinson(_root(scaled), inverse, draws, seed)
    (value, plain), (error, plain_error) = samples.mean(axis=1), samples.std(axis=1, ddof=1) / math.sqrt(draws)
    return RelativeFlatness(*map(float, (value, error, plain, plain_error)), method="hutchinson", draws=draws, **shape)


def _root(w):
    """R (rows, rank) with R R^T = w w^T."""
    u, s, _ = torch.linalg.svd(w, full_matrices=False)
    return u * s


def _layer(network, layer):
    """(name, module) of the layer asked for."""
    found = {name: one for name, one in network.named_modules() if isinstance(one, LAYERS)}
    if layer is None:
        if not found:
            raise InvalidInput("network must have a dense or a convolutional layer")
        return list(found.items())[-1]
    if not isinstance(layer, str) or layer not in found:
        names = ", ".join(map(repr, found)) or "none"
        raise InvalidInput(f"layer must be the name of a dense or convolutional layer ({names}), got {validate.shown(layer)}")
    return layer, found[layer]


class _Task:
    """One layer of a network on data, in minibatches."""

    def __init__(self, network, module, loss, x, y, batch):
        self.network, self.module, self.loss, self.x, self.y, self.batch = network, module, loss, x, y, batch

    def _parts(self):
        """Minibatches with their share of all examples."""
        for x, y in zip(self.x.split(self.batch), self.y.split(self.batch)):
            yield x, y, len(y) / len(self.y)

    def _through(self, x):
        """(output of the network, input of the layer, output of the layer); the layer must work once."""
        seen = []
        hook = self.module.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0], output)))
        try:
            output = self.network(x)
        finally:
            hook.remove()
        if len(seen) != 1:
            raise InvalidInput(f"layer must be used once in a pass through the network, it is used {len(seen)} times")
        return output, *seen[0]

    @torch.no_grad()
    def is_last(self):
        """Whether the layer's output is the network's, with a loss whose Hessian in the outputs is known."""
        output, _, mine = self._through(self.x[:1])
        return isinstance(self.module, nn.Linear) and mine is output and mine.ndim == 2 and self.loss.name in ("cross-entropy", "logistic")

    @torch.no_grad()
    def spread(self):
        """Standard deviations of the layer's inputs over examples (and over places, where a filter slides), as a row of its weights."""
        count, first, second = 0, 0.0, 0.0
        shift = None
        for x, _, _ in self._parts():
            rows = self._patches(self._through(x)[1]).double()
            shift = rows.mean(dim=0) if shift is None else shift  # sums of squares about a value nearby keep their digits
            rows = rows - shift
            count, first, second = count + len(rows), first + rows.sum(dim=0), second + (rows * rows).sum(dim=0)
        variance = second / count - (first / count) ** 2
        noise = 1e-14 * (second / count)
        return torch.where(variance > noise, variance, 0.0).sqrt().to(self.module.weight.dtype)

    def _patches(self, inputs):
        """What one row of the layer's weights sees: (examples and places, inputs)."""
        module = self.module
        if isinstance(module, nn.Linear):
            return inputs.reshape(-1, inputs.shape[-1])
        if not isinstance(module, nn.Conv2d) or module.groups != 1 or module.padding_mode != "zeros" or isinstance(module.padding, str):
            raise InvalidInput(f"features must be 'raw' for {type(module).__name__} layers other than plain two-dimensional convolutions")
        columns = nn.functional.unfold(inputs, module.kernel_size, module.dilation, module.padding, module.stride)
        return columns.transpose(1, 2).reshape(-1, columns.shape[1])

    @torch.no_grad()
    def closed(self, inverse):
        """(sum_k H_sk,s'k / S_k^2 as a matrix over s, s', Tr H) of a last layer."""
        rows = len(self.module.weight)
        traced = torch.zeros(rows, rows, dtype=torch.float64, device=self.x.device)
        plain = 0.0
        for x, _, share in self._parts():
            output, inputs, _ = self._through(x)
            output, norms, scaled = output.double(), inputs.double().square().sum(dim=1), (inputs * inverse).double().square().sum(dim=1)
            if self.loss.name == "logistic":
                p = torch.sigmoid(output[:, 0])
                curvature = (p * (1.0 - p))[:, None, None]
            else:
                p = torch.softmax(output, dim=1)
                curvature = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
            traced += share * (curvature * scaled[:, None, None]).mean(dim=0)
            plain += share * float((curvature.diagonal(dim1=1, dim2=2).sum(dim=1) * norms).mean())
        return traced, plain

    def exact(self, inverse):
        """As `closed`, from the rows of the Hessian."""
        weight = self.module.weight
        rows, columns = len(weight), weight[0].numel()
        traced, plain = torch.zeros(rows, rows, dtype=torch.float64, device=self.x.device), 0.0
        for gradient, share in self._gradients():
            for s in range(rows):
                for k in range(columns):
                    (row,) = torch.autograd.grad(gradient.reshape(rows, columns)[s, k], weight, retain_graph=True)
                    row = row.detach().reshape(rows, columns).double()
                    traced[s] += share * row[:, k] * float(inverse[k]) ** 2
                    plain += share * float(row[s, k])
        return traced, plain

    def hutchinson(self, root, inverse, draws, seed):
        """(2, draws): <V, H V> for kappa and for the trace."""
        weight = self.module.weight
        samples = np.zeros((2, draws))
        for gradient, share in self._gradients():
            for k in range(draws):
                rng = np.random.default_rng([seed, k])
                signs = [rng.integers(0, 2, (size, weight[0].numel())) * 2 - 1 for size in (root.shape[1], len(weight))]
                first, second = (torch.from_numpy(one).to(weight.device, weight.dtype) for one in signs)
                for j, v in enumerate((root @ first * inverse, second)):
                    v = v.reshape(weight.shape)
                    (along,) = torch.autograd.grad(gradient, weight, v, retain_graph=True)
                    samples[j, k] += share * float((v.double() * along.double()).sum())
        return samples

    def _gradients(self):
        """The gradient of each minibatch's loss in the layer's weights, with its graph, and the minibatch's share of the examples."""
        weight = self.module.weight.requires_grad_(True)
        for x, y, share in self._parts():
            output, _, _ = self._through(x)
            (gradient,) = torch.autograd.grad(self.loss.mean(output, y), weight, create_graph=True)
            if not gradient.requires_grad:  # a loss that is linear in these weights
                gradient = gradient + 0.0 * weight
            yield gradient, share
