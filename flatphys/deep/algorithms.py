"""Training algorithms on flat weights: SGD (also averaged), SAM, Entropy-SGD, Replicated-SGD.

Each is a frozen dataclass of its parameters with three methods: what one step costs, what its state is at the start, and the step, on
weights (R, n) of R rows at once; the replicas of a system are rows that follow each other.  `lr` falls by `factor` at the shares `drops`
of all T steps.  g is the minibatch's gradient, Nesterov's momentum is v = momentum v + g, w -= lr (g + momentum v).

    SGD             g + weight_decay w
    SAM             the gradient at w + rho g/|g|, of the same minibatch, + weight_decay w
    Entropy-SGD     z = mu = w; L times  z -= e (g(z) + weight_decay z + gamma_t (z - w)) + sqrt(2 e temperature) xi,
                    mu = a mu + (1 - a) z;  then w -= lr (w - mu);  gamma_t = gamma growth^(t/T), the drops act on e
    Replicated-SGD  a step of SGD for each replica on its own minibatch, then w_a = c + exp(-lr_t gamma_t/(1 - momentum)) (w_a - c) with
                    the centre c = mean_a w_a; gamma_t = gamma growth^(t/T)

The coupling is integrated exactly: an explicit step of it is unstable for lr gamma > 2.  gamma = None balances it at the start:
gamma/2 mean_a |w_a - c|^2 = ratio times the initial loss.

Sources: Foret et al. 2021 (SAM); Chaudhari et al. 2017 (Entropy-SGD); Pittorino et al. 2021 (Replicated-SGD).
"""

import math
from dataclasses import dataclass

import torch

from flatphys import validate
from flatphys.deep.building import TOGETHER
from flatphys.errors import InvalidInput

STARTS = ("independent", "common")


class Step:
    """What a step is given: minibatches' gradients, and where the training is."""

    def __init__(self, gradients, minibatches, generators):
        self.gradients, self.minibatches, self.generators = gradients, minibatches, generators
        self.t, self.steps = 0, 1
        self.losses = self.errors = None
        self.part = None

    def gradient(self, w, *, again=False):
        """The gradient (R, n) of the next minibatch (or once more of the one before) at w."""
        self.part = self.part if again else self.minibatches.next()
        losses, gradient, errors = self.gradients(w, *self.part)
        if not again:
            self.losses, self.errors = losses, errors
        return gradient

    def noise(self, like):
        """Standard normal numbers (R, n), each row from its own generator."""
        rows = [torch.randn(like.shape[1], generator=one, dtype=like.dtype) for one in self.generators]
        return torch.stack(rows).to(like.device)


@dataclass(frozen=True)
class _Algorithm:
    """What all have: the rate and its drops."""

    def _check(self, **of_rate):
        for name in ("lr", "weight_decay", "momentum", "factor"):
            value = getattr(self, name)
            low, high, closed = {"lr": (0.0, math.inf, ""), "momentum": (0.0, 1.0, "["), "factor": (1.0, math.inf, "[")}.get(
                name, (0.0, math.inf, "[")
            )
            object.__setattr__(self, name, validate.number(name, value, low, high, closed=closed))
        object.__setattr__(self, "batch", validate.integer("batch", self.batch, 1))
        if not isinstance(self.drops, (tuple, list)):
            raise InvalidInput(f"drops must be a tuple of shares of the steps, got {validate.shown(self.drops)}")
        object.__setattr__(self, "drops", tuple(validate.number("drops", one, 0.0, 1.0) for one in self.drops))
        for name, (low, high, closed) in of_rate.items():
            object.__setattr__(self, name, validate.number(name, getattr(self, name), low, high, closed=closed))

    @property
    def rows(self) -> int:
        """Weight vectors of one system."""
        return 1

    def dropped(self, rate: float, t: int, steps: int) -> float:
        """`rate` after the drops before step t."""
        return rate / self.factor ** sum(t >= share * steps for share in self.drops)

    def nesterov(self, state, gradient, rate):
        """One step of `w` along `gradient`."""
        v = state["v"].mul_(self.momentum).add_(gradient)
        return state["w"].sub_(rate * (gradient + self.momentum * v))

    def start(self, w, loss) -> dict:
        return {"w": w, "v": torch.zeros_like(w)}

    def found(self, state) -> torch.Tensor:
        """The weights (systems, n) that are reported."""
        return state["w"]

    def told(self, state) -> dict:
        """What the history tells beside losses, errors and the rate: numbers for each system."""
        return {}


@dataclass(frozen=True)
class SGD(_Algorithm):
    """Stochastic gradient descent with Nesterov's momentum; `average`: the last share of steps whose weights are averaged."""

    lr: float = 0.03
    momentum: float = 0.9
    weight_decay: float = 5e-3
    batch: int = 50
    drops: tuple = (0.5, 0.75, 0.9)
    factor: float = 5.0
    average: float = 0.0

    def __post_init__(self):
        self._check(average=(0.0, 1.0, "[]"))

    @property
    def cost(self) -> int:
        """Gradients of examples for one step."""
        return self.batch

    def start(self, w, loss):
        return super().start(w, loss) | ({"mean": torch.zeros_like(w), "averaged": torch.zeros(())} if self.average else {})

    def step(self, state, step: Step):
        gradient = step.gradient(state["w"])
        self.nesterov(state, gradient.add_(state["w"], alpha=self.weight_decay), self.dropped(self.lr, step.t, step.steps))
        if self.average and step.t >= (1.0 - self.average) * step.steps:
            state["averaged"] += 1.0
            state["mean"].add_((state["w"] - state["mean"]) / float(state["averaged"]))

    def found(self, state):
        return state["mean"] if self.average and float(state["averaged"]) else state["w"]


@dataclass(frozen=True)
class SAM(_Algorithm):
    """Sharpness-aware minimisation: the gradient where the loss rises most within the distance `rho`."""

    lr: float = 0.1
    rho: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 2e-3
    batch: int = 50
    drops: tuple = (0.5, 0.75, 0.9)
    factor: float = 5.0

    def __post_init__(self):
        self._check(rho=(0.0, math.inf, ""))

    @property
    def cost(self) -> int:
        return 2 * self.batch

    def step(self, state, step: Step):
        w = state["w"]
        gradient = step.gradient(w)
        length = gradient.norm(dim=1, keepdim=True)
        above = w + self.rho * gradient / torch.where(length > 0.0, length, 1.0)
        gradient = step.gradient(above, again=True)
        self.nesterov(state, gradient.add_(w, alpha=self.weight_decay), self.dropped(self.lr, step.t, step.steps))


@dataclass(frozen=True)
class EntropySGD(_Algorithm):
    """Steps to the mean of a Langevin chain around the weights; `momentum` is that of the chain."""

    lr: float = 1.0
    inner_lr: float = 0.3
    langevin_steps: int = 5
    gamma: float = 0.1
    growth: float = 100.0
    temperature: float = 1e-8
    averaging: float = 0.75
    momentum: float = 0.0
    weight_decay: float = 2e-3
    batch: int = 50
    drops: tuple = (0.5, 0.75, 0.9)
    factor: float = 5.0

    def __post_init__(self):
        self._check(
            inner_lr=(0.0, math.inf, ""),
            gamma=(0.0, math.inf, "["),
            growth=(0.0, math.inf, ""),
            temperature=(0.0, math.inf, "["),
            averaging=(0.0, 1.0, "["),
        )
        object.__setattr__(self, "langevin_steps", validate.integer("langevin_steps", self.langevin_steps, 1))

    @property
    def cost(self) -> int:
        return self.batch * self.langevin_steps

    def start(self, w, loss):
        return {"w": w}

    def coupling(self, step: Step) -> float:
        return self.gamma * self.growth ** (step.t / step.steps)

    def step(self, state, step: Step):
        w = state["w"]
        rate, gamma = self.dropped(self.inner_lr, step.t, step.steps), self.coupling(step)
        z, mu, v = w.clone(), w.clone(), torch.zeros_like(w)
        losses, errors = 0.0, 0.0
        for _ in range(self.langevin_steps):
            gradient = step.gradient(z) + self.weight_decay * z + gamma * (z - w)
            v.mul_(self.momentum).add_(gradient)
            z.sub_(rate * (gradient + self.momentum * v))
            if self.temperature > 0.0:
                z.add_(step.noise(z), alpha=math.sqrt(2.0 * rate * self.temperature))
            mu.mul_(self.averaging).add_(z, alpha=1.0 - self.averaging)
            losses, errors = losses + step.losses / self.langevin_steps, errors + step.errors / self.langevin_steps
        step.losses, step.errors = losses, errors
        w.sub_(self.lr * (w - mu))
        state["gamma"] = torch.full((len(w),), gamma, dtype=torch.float64)

    def told(self, state):
        return {"gamma": state.get("gamma", torch.zeros(len(state["w"])))}


@dataclass(frozen=True)
class ReplicatedSGD(_Algorithm):
    """Replicas that descend on minibatches of their own and are drawn to their mean, ever more strongly.

    `starts` "independent" builds each replica anew, "common" starts them all from one network; identical replicas have no distance that
    `gamma` = None could balance.
    """

    lr: float = 0.1
    replicas: int = 3
    gamma: float | None = None
    ratio: float = 0.01
    growth: float = 1000.0
    starts: str = "independent"
    momentum: float = 0.9
    weight_decay: float = 5e-3
    batch: int = 50
    drops: tuple = (0.5, 0.75, 0.9)
    factor: float = 5.0

    def __post_init__(self):
        self._check(ratio=(0.0, math.inf, ""), growth=(0.0, math.inf, ""))
        object.__setattr__(self, "replicas", validate.integer("replicas", self.replicas, 1))
        object.__setattr__(self, "starts", validate.choice("starts", self.starts, STARTS))
        if self.gamma is not None:
            object.__setattr__(self, "gamma", validate.number("gamma", self.gamma, 0.0, closed="["))

    @property
    def cost(self) -> int:
        return self.batch * self.replicas

    @property
    def rows(self) -> int:
        return self.replicas

    def _split(self, w):
        """(systems, replicas, n) and their centres."""
        systems = w.view(-1, self.replicas, w.shape[1])
        return systems, systems.mean(dim=1, keepdim=True)

    def distance(self, w):
        """mean_a |w_a - c|^2 of each system."""
        systems, centre = self._split(w)
        return (systems - centre).double().square().sum(dim=2).mean(dim=1).cpu()

    def start(self, w, loss):
        if self.gamma is not None or self.replicas == 1:
            gamma = torch.full((len(w) // self.replicas,), self.gamma or 0.0, dtype=torch.float64)
        else:
            systems, _ = self._split(w)
            if bool((systems == systems[:, :1]).all(dim=2).all(dim=1).any()):
                raise InvalidInput(TOGETHER)
            gamma = 2.0 * self.ratio * loss.view(-1, self.replicas).mean(dim=1) / self.distance(w)
        return super().start(w, loss) | {"gamma0": gamma, "gamma": gamma.clone()}

    def step(self, state, step: Step):
        w = state["w"]
        rate = self.dropped(self.lr, step.t, step.steps)
        gradient = step.gradient(w)
        self.nesterov(state, gradient.add_(w, alpha=self.weight_decay), rate)
        gamma = state["gamma"] = state["gamma0"] * self.growth ** (step.t / step.steps)
        shrink = torch.exp(-rate * gamma / (1.0 - self.momentum)).to(w.device, w.dtype)
        systems, centre = self._split(w)
        systems.copy_(centre + shrink[:, None, None] * (systems - centre))

    def found(self, state):
        return self._split(state["w"])[1][:, 0]

    def told(self, state):
        return {"gamma": state["gamma"], "distance": self.distance(state["w"])}


BY_NAME = {"sgd": SGD, "sam": SAM, "esgd": EntropySGD, "rsgd": ReplicatedSGD}
