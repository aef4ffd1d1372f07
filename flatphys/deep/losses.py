"""The losses of a network's outputs, and what counts as an error.

    cross-entropy   -log softmax(output)_y, outputs (n, classes); an error where the largest output is another's
    logistic        log(1 + exp(-(2y - 1) output)), one output, labels 0 and 1; an error where the output has the other sign
    a function      of (output, target): a scalar, the mean over examples, or one number an example; errors as above

A logistic layer on x of norm sqrt N with weights w/sqrt N is the solvable model; two outputs +w/2 and -w/2 with cross-entropy are it too.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch.nn import functional

from flatphys import validate
from flatphys.errors import InvalidInput

NAMES = ("cross-entropy", "logistic")


class Loss(NamedTuple):
    """A name, and the mean of the loss over examples as a function of outputs and labels."""

    name: str
    mean: Callable


def loss_of(loss) -> Loss:
    """`loss` by its name, or a function of one's own."""
    if callable(loss):
        return Loss(f"{getattr(loss, '__name__', type(loss).__name__)}()", lambda output, target: loss(output, target).mean())
    name = validate.choice("loss", loss, NAMES)
    return Loss(name, functional.cross_entropy if name == "cross-entropy" else _logistic)


def _logistic(output, target):
    return functional.binary_cross_entropy_with_logits(output.reshape(target.shape), target.to(output.dtype))


def means(loss: Loss, output, target):
    """(R,): the mean of each row of outputs (R, batch, ...)."""
    if loss.name not in NAMES:
        return torch.func.vmap(loss.mean)(output, target)
    if loss.name == "logistic":
        each = functional.binary_cross_entropy_with_logits(output.reshape(target.shape), target.to(output.dtype), reduction="none")
    else:
        each = functional.cross_entropy(output.flatten(0, 1), target.flatten(), reduction="none").view(target.shape)
    return each.mean(dim=1)


def errors(output, target):
    """(...,) of bool: for a last axis of one output its sign is the answer, else the largest."""
    if output.shape == target.shape or output.shape[-1] == 1:
        return (output.reshape(target.shape) >= 0.0) != (target > 0)
    return output.argmax(dim=-1) != target


def check(loss: Loss, output, target) -> None:
    """`InvalidInput` where the labels don't fit the outputs of the network; `output` is that of one minibatch, `target` all labels."""
    if not isinstance(output, torch.Tensor) or output.ndim < 1 or len(output) == 0:
        raise InvalidInput(f"network must return a tensor (n, outputs), got {validate.shown(output)}")
    outputs = output.shape[1] if output.ndim == 2 else 1 if output.ndim == 1 else None
    if outputs is None:
        raise InvalidInput(f"network must return (n, outputs), got the shape {tuple(output.shape)}")
    if loss.name == "logistic" and outputs != 1:
        raise InvalidInput(f"loss 'logistic' is for one output, the network has {outputs}: use 'cross-entropy'")
    if loss.name == "cross-entropy" and outputs == 1:
        raise InvalidInput("loss 'cross-entropy' is for two outputs or more, the network has one: use 'logistic'")
    classes = 2 if outputs == 1 else outputs
    if int(target.max()) >= classes:
        raise InvalidInput(f"labels must be from 0 to {classes - 1} for {outputs} output{'s' * (outputs > 1)}, got {int(target.max())}")
