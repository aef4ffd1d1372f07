"""Losses and gradients of R networks of one shape at once: flat weights (R, n), a minibatch for each.

Dense networks are stacked (`torch.func.vmap` of the forward pass, plain reverse mode through it) from `STACKED` of them on; convolutions
go one after the other, because a stacked one is a grouped convolution, slower than a loop on a processor.  Batch norm works on the
minibatch, without running statistics: those are measured when the training is over.
"""

import copy

import numpy as np
import torch
from torch import nn
from torch.func import functional_call, replace_all_batch_norm_modules_, vmap

from flatphys.deep.losses import Loss, errors, means

STACKED = 3  # dense networks that are faster together than one by one


def flat(network: nn.Module) -> torch.Tensor:
    """All parameters of a network in one vector."""
    return torch.cat([w.detach().reshape(-1) for w in network.parameters()])


@torch.no_grad()
def fill(network: nn.Module, weights: torch.Tensor) -> None:
    """The inverse of `flat`: writes a vector into a network's parameters."""
    at = 0
    for w in network.parameters():
        w.copy_(weights[at : at + w.numel()].view_as(w))
        at += w.numel()


class Gradients:
    """`(weights (R, n), x (R, batch, ...), y (R, batch))` -> losses (R,), gradients (R, n), errors (R,)."""

    def __init__(self, network: nn.Module, loss: Loss):
        self.module, self.loss = copy.deepcopy(network).requires_grad_(False).train(), loss
        replace_all_batch_norm_modules_(self.module)
        self.names = [(name, w.shape, w.numel()) for name, w in self.module.named_parameters()]
        self.dense = not any(isinstance(one, nn.modules.conv._ConvNd) for one in self.module.modules())

    def __call__(self, weights, x, y):
        if self.dense and len(weights) >= STACKED:
            w = weights.detach().requires_grad_(True)
            output = vmap(self._forward, randomness="different")(w, x)
            losses = means(self.loss, output, y)
            (gradients,) = torch.autograd.grad(losses.sum(), w)
            return losses.detach(), gradients, errors(output.detach(), y).to(torch.float64).mean(dim=1)
        found = [self._one(*row) for row in zip(weights, x, y)]
        return tuple(torch.stack(column) for column in zip(*found))

    def _one(self, weights, x, y):
        w = weights.detach().requires_grad_(True)
        output = self._forward(w, x)
        loss = self.loss.mean(output, y)
        (gradient,) = torch.autograd.grad(loss, w)
        return loss.detach(), gradient, errors(output.detach(), y).to(torch.float64).mean()

    def _forward(self, weights, x):
        parts = weights.split([size for _, _, size in self.names])
        return functional_call(self.module, {name: part.view(shape) for (name, shape, _), part in zip(self.names, parts)}, (x,))

    @torch.no_grad()
    def loss_of(self, weights, x, y, batch):
        """(R,): the mean loss over all of x, y."""
        totals = []
        for w in weights:
            parts = zip(x.split(batch), y.split(batch))
            totals.append(sum(float(self.loss.mean(self._forward(w, part_x), part_y)) * len(part_y) for part_x, part_y in parts))
        return torch.tensor(totals, dtype=torch.float64) / len(y)


class Minibatches:
    """Row r goes through all examples in orders of its own, drawn from (seed, replica, epoch); an incomplete last minibatch is dropped."""

    def __init__(self, x, y, rows, batch):
        self.x, self.y, self.rows, self.batch = x, y, rows, batch
        self.epoch = len(y) // batch  # minibatches
        self.taken = 0  # by each row
        self.orders = (-1, None)

    def next(self):
        """x (R, batch, ...) and y (R, batch)."""
        number, place = divmod(self.taken, self.epoch)
        if self.orders[0] != number:
            drawn = [np.random.default_rng([*row, 2, number]).permutation(len(self.y)) for row in self.rows]
            self.orders = number, torch.from_numpy(np.stack(drawn)).to(self.y.device)
        self.taken += 1
        index = self.orders[1][:, place * self.batch : (place + 1) * self.batch]
        return self.x[index], self.y[index]
