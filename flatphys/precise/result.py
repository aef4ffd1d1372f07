"""Refined: a saddle point in mpmath numbers."""

from dataclasses import dataclass
from typing import NamedTuple

import mpmath as mp

from flatphys.display import Table
from flatphys.model import Model
from flatphys.quantities import STATE


class _Exact(NamedTuple):
    """Sign, mantissa, exponent and bits of an mpf, which by itself is pickled to the digits of the moment only."""

    parts: tuple


def _packed(value):
    if isinstance(value, dict):
        return {key: _packed(item) for key, item in value.items()}
    return _Exact(value._mpf_) if isinstance(value, mp.mpf) else value


def _unpacked(value):
    if isinstance(value, dict):
        return {key: _unpacked(item) for key, item in value.items()}
    return mp.mp.make_mpf(value.parts) if isinstance(value, _Exact) else value


@dataclass(frozen=True, repr=False, eq=False)
class Refined(Table):
    """A saddle point to `digits` digits.  Names and units are those of `State`; numbers are mpmath's `mpf`.

    Attributes
    ----------
    model, alpha, branch
        What was solved; alpha (like margin, beta, flip) is the binary number that the float holds.
    digits : int
        Relative accuracy of the order parameters.
    order : dict[str, mpf]
        The order parameters, also attributes.
    residuals : dict[str, mpf]
        Relative violation of each saddle-point equation, evaluated by a second, interleaved quadrature.
    free_entropy, entropy, train_error, train_loss, energy, cosine, at_eigenvalue
        and generalization_error, centre_generalization_error, bayes_error:
        As in `State`; None where the learner has none.
    """

    model: Model
    alpha: object
    branch: str
    digits: int
    order: dict
    residuals: dict
    free_entropy: object = None
    entropy: object = None
    train_error: object = None
    train_loss: object = None
    generalization_error: object = None
    centre_generalization_error: object = None
    bayes_error: object = None
    cosine: object = None
    at_eigenvalue: object = None

    def __getattr__(self, name):
        order = self.__dict__.get("order", {})
        if name in order:
            return order[name]
        raise AttributeError(f"this refined state has no {name!r}; its order parameters are {', '.join(order) or 'none'}")

    def __getstate__(self):
        return {name: _packed(value) for name, value in vars(self).items()}

    def __setstate__(self, state):
        self.__dict__.update({name: _unpacked(value) for name, value in state.items()})

    def __dir__(self):
        return sorted({*super().__dir__(), *self.order})

    @property
    def energy(self):
        """Energy per weight: alpha * train_error where errors are counted, else alpha * train_loss."""
        counted = getattr(self.model.learner, "energy", "errors") == "errors"
        per_pattern = self.train_error if counted else self.train_loss
        return None if per_pattern is None else mp.fmul(self.alpha, per_pattern, exact=True)

    @property
    def residual(self):
        """The largest violation of an equation."""
        return max(map(abs, self.residuals.values()), default=mp.mpf(0))

    def _rows(self):
        rows = [("alpha", mp.nstr(self.alpha, 17)), ("branch", self.branch)]
        rows += [(name, mp.nstr(value, self.digits)) for name, value in self.order.items()]
        scalars = {quantity.name: getattr(self, quantity.name) for quantity in STATE}
        rows += [(name, mp.nstr(value, self.digits)) for name, value in scalars.items() if value is not None]
        return rows + [("residual", mp.nstr(self.residual, 3))]

    def _title(self):
        return f"{self.model!r} to {self.digits} digits"
