"""A network on data: copies that leave the user's alone, errors and losses in minibatches, statistics of batch norm."""

import copy
from contextlib import contextmanager

import torch
from torch import nn

from flatphys import validate
from flatphys.deep.data import Data
from flatphys.deep.losses import Loss, check, errors
from flatphys.errors import InvalidInput

BATCH = 1000  # images of a minibatch where nothing is trained


def copied(network: nn.Module) -> nn.Module:
    """A deep copy for answers (dropout off, batch norm by its running statistics): the user's module, its mode and gradients stay."""
    validate.instance("network", network, (nn.Module,))
    if not any(True for _ in network.parameters()):
        raise InvalidInput(f"network must have parameters, got {validate.shown(network)}")
    if not all(bool(torch.isfinite(w).all()) for w in network.parameters()):
        raise InvalidInput("network must have finite weights, got nan or inf among them")
    return copy.deepcopy(network).eval().requires_grad_(False)


def placed(network: nn.Module, data: Data) -> Data:
    """The data on the network's device, its inputs in the network's dtype."""
    validate.instance("data", data, (Data,))
    first = next(network.parameters())
    train_x, test_x = (None if x is None else x.to(first.device, first.dtype) for x in (data.train_x, data.test_x))
    return Data(train_x, data.train_y.to(first.device), test_x, None if data.test_y is None else data.test_y.to(first.device), data.name)


@contextmanager
def generator_kept():
    """The user's global generators as they were, whatever is drawn within."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count()) if torch.cuda.is_available() else []):
        yield


def _norms(network):
    return [one for one in network.modules() if isinstance(one, nn.modules.batchnorm._BatchNorm) and one.track_running_stats]


@torch.no_grad()
def recompute_statistics(network: nn.Module, x: torch.Tensor, batch: int = BATCH) -> None:
    """The running mean and variance of every batch norm: plain means over the minibatches of x, in order."""
    norms = _norms(network)
    if not norms:
        return
    kept = [(one, one.momentum, one.training) for one in norms]
    for one in norms:
        one.reset_running_stats()
        one.momentum = None  # a cumulative mean
        one.train()
    for part in x.split(batch):
        if len(part) > 1 or len(x) == 1:
            network(part)
    for one, momentum, training in kept:
        one.momentum = momentum
        one.train(training)


@torch.no_grad()
def error_and_loss(network: nn.Module, x: torch.Tensor, y: torch.Tensor, loss: Loss, batch: int = BATCH) -> tuple[float, float]:
    """(share of errors, mean loss), in minibatches."""
    wrong, total = 0, 0.0
    for part_x, part_y in zip(x.split(batch), y.split(batch)):
        output = network(part_x)
        wrong += int(errors(output, part_y).sum())
        total += float(loss.mean(output, part_y)) * len(part_y)
    return wrong / len(y), total / len(y)


@torch.no_grad()
def checked(network: nn.Module, data: Data, loss: Loss) -> None:
    """`InvalidInput` where data, network and loss don't fit together, from one example's output."""
    try:
        output = network(data.train_x[:1])
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise InvalidInput(f"data don't fit the network: inputs of the shape {data.input_shape} give '{error}'") from None
    check(loss, output, data.train_y)
    if data.test_y is not None:
        check(loss, output, data.test_y)
