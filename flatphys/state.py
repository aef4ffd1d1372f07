"""State: the saddle point that a solve returns, and what its numbers are worth."""

import math
from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, Any

from flatphys import quantities, validate
from flatphys.display import Table, figure
from flatphys.model import Model, check_model

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# A binary count below this is negative by physics, not by rounding (references at the largest
# margin have an entropy of +-1e-15).
NEGATIVE_ENTROPY = -1e-9

SCALARS = tuple(quantity.name for quantity in (*quantities.STATE, *quantities.WORTH))
# What must not be nan in a state that is returned, besides its order parameters (`saddle.accept`); the energy follows.
NUMBERS = tuple(quantity.name for quantity in quantities.STATE if quantity.name != "energy")
_CHECKED: set[tuple[type, ...]] = set()  # kinds of values that were looked at before
_GIVEN = (*NUMBERS, *(quantity.name for quantity in quantities.WORTH), "tolerance", "quadrature_tolerance")  # numbers or None


@dataclass(frozen=True, eq=False, repr=False)
class State(Table):
    """A saddle point of `model` at load `alpha`.

    Every entry of `order` is also an attribute (`state.q`, `state.R_hat`, ...).  A quantity that the
    learner does not have is None.

    Attributes
    ----------
    model, alpha
        What was solved.
    ansatz : str
        "RS" or "1RSB".
    branch : str
        Which branch of the saddle-point equations: "typical" (random labels); with a teacher
        "student", "intermediate" (never stable) or "teacher" (highest overlap); "ground_state",
        "max_margin", "minimiser" (ERM), "rule" (Hebb, and Bayes on the mixture).
    order : dict[str, float]
        The order parameters.  With hard constraints near capacity `one_minus_q` keeps the digits
        that q = 1 - one_minus_q loses.
    free_entropy, entropy : float or None
        (1/N) E log Z and entropy = free_entropy + beta * energy, in nats per weight.
    train_error : float
        Mean fraction of training patterns with stability below the margin (ERM, Bayes: below 0).
    train_loss : float or None
        Mean loss per pattern (ERM).
    generalization_error : float or None
        Probability that one weight vector errs on a new, clean example.
    centre_generalization_error : float or None
        The same for the mean of a Gibbs learner's measure; with a teacher that is the majority vote of the ensemble.
    bayes_error : float or None
        The error of that vote (with a teacher).
    cosine : float or None
        Cosine of the angle between a weight vector and the teacher or the centroids' direction.
    at_eigenvalue : float or None
        The replicon of de Almeida and Thouless: replica symmetry is stable iff it is positive.
    residual : float
        Largest relative violation of the saddle-point equations at the solution.
    quadrature_error : float
        Relative difference of the results between two independent quadrature rules.
    tolerance, quadrature_tolerance : float
        What `residual` and `quadrature_error` had to stay below for the state to be returned.
    """

    model: Model
    alpha: float
    order: dict[str, float]
    branch: str = "typical"
    ansatz: str = "RS"
    free_entropy: float | None = None
    entropy: float | None = None
    train_error: float | None = None
    train_loss: float | None = None
    generalization_error: float | None = None
    centre_generalization_error: float | None = None
    bayes_error: float | None = None
    cosine: float | None = None
    at_eigenvalue: float | None = None
    residual: float = math.nan
    quadrature_error: float = math.nan
    tolerance: float = math.nan
    quadrature_tolerance: float = math.nan

    @classmethod
    def of_floats(cls, **values: Any) -> "State":
        """What a saddle's own numbers make, without the walk through dataclass and checks (4 us, where a point takes 40)."""
        state = object.__new__(cls)
        state.__dict__.update(_DEFAULTS, **values)
        return state

    def __post_init__(self) -> None:
        kinds = tuple(map(type, vars(self).values()))
        if kinds in _CHECKED and self.alpha > 0.0 and set(map(type, self.order.values())) <= {float}:
            return
        self._check()
        if set(kinds) <= {Model, dict, str, float, type(None)}:  # what stays as it is
            _CHECKED.add(kinds)

    def _check(self) -> None:
        check_model(self.model)
        object.__setattr__(self, "alpha", validate.number("alpha", self.alpha, 0.0, infinite=True))  # inf: a capacity without end
        for name, value in validate.instance("order", self.order, (dict,)).items():
            validate.instance("order", name, (str,))
            if not isinstance(value, float):
                validate.number(name, value, infinite=True)
        for name in ("branch", "ansatz"):
            validate.text(name, getattr(self, name))
        for name in _GIVEN:
            value = getattr(self, name)
            if value is not None and not isinstance(value, float):
                object.__setattr__(self, name, validate.number(name, value, infinite=True))

    def __getattr__(self, name: str) -> float:
        order = self.__dict__.get("order", {})
        if name in order:
            return order[name]
        raise AttributeError(f"this state has no {name!r}; its order parameters are {', '.join(order) or 'none'}")

    def __hash__(self) -> int:
        return hash((self.model, self.alpha, self.ansatz, self.branch))

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self.order})

    @property
    def energy(self) -> float | None:
        """Energy per weight of a Gibbs learner, alpha * train_loss; for other learners the errors per weight, alpha * train_error."""
        errors = getattr(self.model.learner, "energy", "errors") == "errors"
        per_pattern = self.train_error if errors else self.train_loss
        return None if per_pattern is None else self.alpha * per_pattern

    @property
    def stable(self) -> bool | None:
        """Whether replica symmetry is stable (the replicon is positive)."""
        return None if self.at_eigenvalue is None else bool(self.at_eigenvalue > 0.0)

    @property
    def phase(self) -> str:
        """ "unsat" (a negative entropy of binary weights), "rs_unstable" (negative replicon) or "sat"."""
        weights = getattr(self.model.learner, "weights", "spherical")
        if weights == "binary" and self.entropy is not None and self.entropy < NEGATIVE_ENTROPY:
            return "unsat"
        return "rs_unstable" if self.stable is False else "sat"

    def scalars(self) -> dict[str, float]:
        """Everything numeric of the state in one flat dict: order parameters, then observables."""
        out = {"alpha": self.alpha, **self.order}
        for name in SCALARS:
            value = getattr(self, name)
            if value is not None and name not in out:
                out[name] = value
        return out

    def plot(self, ax: "Axes | None" = None, **style: Any) -> "Axes":
        """Draw the law of the training stabilities (`flatphys.margins`) on `ax` or a new figure; returns the axes."""
        import flatphys  # by the public name: the rooms of the questions lie above this one

        ax = flatphys.margins(self).plot(ax, **{"label": rf"$\alpha = {self.alpha:g}$", **style})
        ax.axvline(getattr(self.model.learner, "margin", 0.0), color="0.6", lw=0.8, ls=":", zorder=0)
        return ax

    def _rows(self) -> list[tuple[str, str]]:
        rows = [("alpha", figure(self.alpha)), ("phase", f"{self.phase} ({self.branch} branch, {self.ansatz})")]
        rows += [(name, figure(value)) for name, value in self.order.items()]
        named = {name: getattr(self, name) for name in SCALARS}
        rows += [(name, f"{figure(x):<18} {quantities.of(name).printed}") for name, x in named.items() if x is not None]
        return rows

    def _title(self) -> str:
        return f"State of {self.model!r}"


_DEFAULTS = {field.name: field.default for field in fields(State) if field.default is not MISSING}
