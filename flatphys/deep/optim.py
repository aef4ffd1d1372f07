"""Entropy-SGD as an optimiser of torch, for training loops of one's own."""

import math

import torch
from torch.optim import Optimizer

from flatphys import validate
from flatphys.errors import InvalidInput


class EntropySGD(Optimizer):
    """One step goes to the mean mu of a Langevin chain of `langevin_steps` steps around the weights w (Chaudhari et al. 2017).

        z = mu = w;  langevin_steps times:  d = closure's gradient at z + weight_decay z + gamma_t (z - w),  v = momentum v + d,
                     z -= inner_lr (d + momentum v) + sqrt(2 inner_lr temperature) xi,   mu = averaging mu + (1 - averaging) z
        w -= lr (w - mu),    gamma_t = gamma growth^(t/steps)

    Parameters
    ----------
    params : iterable of tensors or of groups, as for every optimiser
    steps : int, optional
        Outer steps over which gamma grows by `growth`; without it gamma stays.
    generator : torch.Generator, optional
        Of the noise.

    The closure is called once for each inner step: it draws a minibatch, clears the gradients, computes the loss, calls `backward` and
    returns the loss.  `step` returns the mean of these losses.

    >>> optimiser = deep.optim.EntropySGD(network.parameters(), langevin_steps=5)
    >>> loss = optimiser.step(closure)
    """

    def __init__(
        self,
        params,
        lr=1.0,
        inner_lr=0.3,
        langevin_steps=5,
        gamma=0.1,
        growth=100.0,
        temperature=1e-8,
        averaging=0.75,
        momentum=0.0,
        weight_decay=0.0,
        steps=None,
        generator=None,
    ):
        at_least_0 = {"gamma": gamma, "temperature": temperature, "weight_decay": weight_decay}
        positive = {"lr": lr, "inner_lr": inner_lr, "growth": growth}
        below_1 = {"averaging": averaging, "momentum": momentum}
        defaults = {name: validate.number(name, value, 0.0, closed="[") for name, value in at_least_0.items()}
        defaults |= {name: validate.number(name, value, 0.0) for name, value in positive.items()}
        defaults |= {name: validate.number(name, value, 0.0, 1.0, closed="[") for name, value in below_1.items()}
        self.langevin_steps = validate.integer("langevin_steps", langevin_steps, 1)
        self.steps = None if steps is None else validate.integer("steps", steps, 1)
        self.generator, self.taken = generator, 0
        super().__init__(params, defaults)

    def state_dict(self):
        return super().state_dict() | {"taken": self.taken}

    def load_state_dict(self, state_dict):
        state_dict = dict(state_dict)
        self.taken = state_dict.pop("taken", 0)
        super().load_state_dict(state_dict)

    @torch.no_grad()
    def step(self, closure=None):
        """`closure` is called `langevin_steps` times; the mean of what it returns."""
        if not callable(closure):
            raise InvalidInput(
                "closure must be a function that computes the loss and its gradients: Entropy-SGD calls it at every inner step"
            )
        share = 0.0 if self.steps is None else min(1.0, self.taken / self.steps)
        rows = [
            (group, w, w.detach().clone(), w.detach().clone(), torch.zeros_like(w)) for group in self.param_groups for w in group["params"]
        ]
        total = 0.0
        for _ in range(self.langevin_steps):
            with torch.enable_grad():
                loss = closure()
                total += float(loss.detach() if isinstance(loss, torch.Tensor) else loss)
            for group, z, w, mu, v in rows:
                if z.grad is None:
                    continue
                d = z.grad + group["weight_decay"] * z + group["gamma"] * group["growth"] ** share * (z - w)
                v.mul_(group["momentum"]).add_(d)
                z.sub_(group["inner_lr"] * (d + group["momentum"] * v))
                if group["temperature"] > 0.0:
                    noise = torch.randn(z.shape, generator=self.generator, dtype=z.dtype, device=z.device)
                    z.add_(noise, alpha=math.sqrt(2.0 * group["inner_lr"] * group["temperature"]))
                mu.mul_(group["averaging"]).add_(z, alpha=1.0 - group["averaging"])
        for group, z, w, mu, _ in rows:
            z.copy_(w - group["lr"] * (w - mu))
        self.taken += 1
        return total / self.langevin_steps
