"""The networks that the papers train, written from their tables, for small images.

LeNet: LeCun et al. 1998 (with one hidden dense layer).  ResNet-18: He et al. 2016, with a 3 x 3 stem and no pooling after it, as for
32 x 32 images.  EfficientNet-B0: Tan & Le 2019, table 1, with a stem of stride 1 for the same reason and without stochastic depth.
"""

import importlib
import inspect
import math
import sys

import torch
from torch import nn

from flatphys import validate
from flatphys.errors import InvalidInput

# Stages of EfficientNet-B0: expansion, channels, blocks, stride, kernel.
STAGES = ((1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5), (6, 192, 4, 2, 5), (6, 320, 1, 1, 3))


def network(name: str, input_shape, classes: int, **sizes) -> nn.Module:
    """A network with torch's default initial weights, drawn from torch's global generator.

    Parameters
    ----------
    name : "mlp", "lenet", "convnet", "resnet18" or "efficientnet-b0"
    input_shape : (features,), (height, width) or (channels, height, width)
    classes : int >= 1
        Outputs; 1 for the loss "logistic".
    hidden : tuple of int
        Of the mlp: (64, 64).
    channels : tuple of int
        Of the convnet: (8, 16); each is a 3 x 3 convolution, ReLU and a 2 x 2 maximum.

    Raises
    ------
    InvalidInput
        Unknown names and sizes, images too small for the layers.

    >>> sum(w.numel() for w in deep.network("resnet18", (3, 32, 32), 10).parameters())
    11173962
    """
    name = validate.choice("name", name, tuple(BUILDERS))
    shape = _shape(input_shape)
    classes = validate.integer("classes", classes, 1)
    builder, allowed = BUILDERS[name]
    for size, value in sizes.items():
        if size not in allowed:
            raise InvalidInput(f"{size} is no size of {name!r}" + (f"; it has {', '.join(allowed)}" if allowed else ""))
        if not isinstance(value, (tuple, list)):
            raise InvalidInput(f"{size} must be a tuple of integers >= 1, got {validate.shown(value)}")
        sizes[size] = tuple(validate.integer(f"{size} of {name!r}", one, 1) for one in value)
    return builder(shape, classes, **sizes)


def _shape(value) -> tuple[int, ...]:
    try:
        shape = tuple(value)
    except TypeError:
        shape = ()
    if not 1 <= len(shape) <= 3:
        raise InvalidInput(f"input_shape must be (features,), (height, width) or (channels, height, width), got {validate.shown(value)}")
    return tuple(validate.integer("input_shape", size, 1) for size in shape)


def _image(shape, name) -> tuple[int, int, int]:
    if len(shape) == 1:
        raise InvalidInput(f"input_shape must be (height, width) or (channels, height, width) for {name!r}, got {shape}")
    return shape if len(shape) == 3 else (1, *shape)


class _AsImages(nn.Module):
    """Adds the channel that (n, height, width) lacks."""

    def forward(self, x):
        return x[:, None] if x.ndim == 3 else x


def _mlp(shape, classes, hidden=(64, 64)):
    sizes = (math.prod(shape), *hidden)
    layers: list[nn.Module] = [nn.Flatten()]
    for into, out in zip(sizes, sizes[1:]):
        layers += [nn.Linear(into, out), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], classes))


def _halved(size, times, name):
    for _ in range(times):
        size //= 2
    if size < 1:
        raise InvalidInput(f"input_shape is too small for {name!r}: every side needs {2**times} pixels")
    return size


def _convnet(shape, classes, channels=(8, 16)):
    depth, height, width = _image(shape, "convnet")
    layers: list[nn.Module] = [_AsImages()]
    for into, out in zip((depth, *channels), channels):
        layers += [nn.Conv2d(into, out, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    last = (channels[-1] if channels else depth) * math.prod(_halved(side, len(channels), "convnet") for side in (height, width))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(last, classes))


def _lenet(shape, classes):
    depth, height, width = _image(shape, "lenet")
    sides = [(side // 2 - 4) // 2 for side in (height, width)]
    if min(sides) < 1:
        raise InvalidInput(f"input_shape is too small for 'lenet': every side needs 12 pixels, got {shape}")
    first = (_AsImages(), nn.Conv2d(depth, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2))
    second = (nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
    return nn.Sequential(*first, *second, nn.Linear(16 * sides[0] * sides[1], 84), nn.ReLU(), nn.Linear(84, classes))


class _Residual(nn.Module):
    """Two 3 x 3 convolutions beside the identity, or beside a 1 x 1 convolution where the shape changes."""

    def __init__(self, into, out, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(into, out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(),
            nn.Conv2d(out, out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(out),
        )
        self.beside = nn.Identity()
        if stride != 1 or into != out:
            self.beside = nn.Sequential(nn.Conv2d(into, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        return torch.relu(self.body(x) + self.beside(x))


def _resnet18(shape, classes):
    depth, _, _ = _image(shape, "resnet18")
    layers: list[nn.Module] = [_AsImages(), nn.Conv2d(depth, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    into = 64
    for out, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [_Residual(into, out, stride), _Residual(out, out, 1)]
        into = out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, classes))


def _convolution(into, out, kernel=1, stride=1, groups=1):
    return nn.Sequential(
        nn.Conv2d(into, out, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(out, eps=1e-3, momentum=0.01)
    )


class _Inverted(nn.Module):
    """MBConv: widen, convolve each channel, squeeze and excite, narrow; with the identity beside it where shapes allow."""

    def __init__(self, into, out, expansion, stride, kernel):
        super().__init__()
        wide, squeezed = into * expansion, max(1, into // 4)
        self.widen = nn.Sequential(_convolution(into, wide), nn.SiLU()) if expansion != 1 else nn.Identity()
        self.depthwise = nn.Sequential(_convolution(wide, wide, kernel, stride, wide), nn.SiLU())
        self.excite = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(wide, squeezed, 1), nn.SiLU(), nn.Conv2d(squeezed, wide, 1), nn.Sigmoid()
        )
        self.narrow = _convolution(wide, out)
        self.beside = stride == 1 and into == out

    def forward(self, x):
        y = self.depthwise(self.widen(x))
        y = self.narrow(y * self.excite(y))
        return x + y if self.beside else y


def _efficientnet(shape, classes):
    depth, _, _ = _image(shape, "efficientnet-b0")
    layers: list[nn.Module] = [_AsImages(), _convolution(depth, 32, 3), nn.SiLU()]
    into = 32
    for expansion, out, blocks, stride, kernel in STAGES:
        for block in range(blocks):
            layers.append(_Inverted(into, out, expansion, stride if block == 0 else 1, kernel))
            into = out
    head = (_convolution(into, 1280), nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(1280, classes))
    return nn.Sequential(*layers, *head)


# Name -> (builder, the sizes that it takes).
BUILDERS = {
    "mlp": (_mlp, ("hidden",)),
    "lenet": (_lenet, ()),
    "convnet": (_convnet, ("channels",)),
    "resnet18": (_resnet18, ()),
    "efficientnet-b0": (_efficientnet, ()),
}


class Builder:
    """A function that builds a network, named on the command line: one of the papers', or MODULE:FUNCTION of one's own.

    The function is called as f(input_shape, classes) where it has parameters of these names, as f(num_classes=classes) where it has that
    one (torchvision, timm), else without arguments.
    """

    def __init__(self, name: str, input_shape, classes: int):
        self.name, self.input_shape, self.classes = validate.text("network", name), _shape(input_shape), classes
        self.__name__ = name
        if ":" not in name:
            validate.choice("network", name, tuple(BUILDERS))
        elif not callable(self._function()):
            raise InvalidInput(f"network must be MODULE:FUNCTION, got {name!r}, which is no function")

    def _function(self):
        module, _, function = self.name.partition(":")
        sys.path.insert(0, "")  # a file beside the caller
        try:
            return getattr(importlib.import_module(module), function)
        except (ImportError, AttributeError, ValueError) as error:
            raise InvalidInput(f"network must be one of {', '.join(BUILDERS)} or MODULE:FUNCTION, got {self.name!r} ({error})") from None
        finally:
            sys.path.remove("")

    def __call__(self) -> nn.Module:
        if ":" not in self.name:
            return network(self.name, self.input_shape, self.classes)
        function = self._function()
        try:
            names = set(inspect.signature(function).parameters)
        except (TypeError, ValueError):
            names = set()
        if {"input_shape", "classes"} <= names:
            return function(input_shape=self.input_shape, classes=self.classes)
        return function(num_classes=self.classes) if "num_classes" in names or "kwargs" in names else function()
