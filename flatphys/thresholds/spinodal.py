"""Where the branches of a learner with a teacher end, freeze and exchange dominance, followed in a parameter of the model.

A saddle is a pair of conjugates for which both pattern equations name the same load (`saddle.equilibrium.branch`):
with s = log R_hat and r = log q_hat, A(s, r) = log alpha_q and B(s, r) = log alpha_R,

    A(s, r) - B(s, r) = 0.

Spinodal.  Along the curve of these points the load has an extremum where its gradient is parallel to that of the
constraint, that is where the Jacobian of (A, B) is singular:

    A_s B_r - A_r B_s = 0.

No parameter of the curve enters, so that the two conditions hold also where R_hat itself turns around along the branch (clean
teachers at margins in (-0.01, 0): next to the teacher the branches fold twice in R_hat, and a search along R_hat misses their end).
With the margin as a third unknown the spinodals of student and teacher branch are one smooth curve, and meet in a cusp of
(alpha, kappa) where kappa is extremal along it, the critical point of the first-order transition.

Transition.  Two branches with the same load and free entropy (Maxwell's construction), five unknowns, four equations; where the
other branch is the teacher itself (margin 0), whose free entropy is known, three unknowns and two equations.

Freezing.  The entropy of binary weights vanishes along a branch.
"""

import math

import numpy as np

from flatphys import validate
from flatphys.errors import InvalidInput, NotConverged
from flatphys.kernels.codes import TEACHER, Problem
from flatphys.model import Gibbs, Model, Teacher, check_model
from flatphys.numerics.newton import CONVERGED, Options, newton
from flatphys.numerics.quadrature import buffers
from flatphys.problem import problem_of
from flatphys.saddle.equilibrium.averages import log_alphas
from flatphys.saddle.equilibrium.branch import NOTHING, ReadOff, entropy, read_off

STEP = 2e-3  # of the central differences of fourth order in s and r: their error is 1e-11
WIDE = 2e-2  # of the derivative along the curve that vanishes at the cusp
EXACT = Options(goal=1e-12, tolerance=1e-9)


class Folds:
    """Equations in (s, r, c) or (s1, r1, s2, r2, c): two conjugates of one or two branches, and the parameter c.

    c is the learner's margin, or with along="temperature" 1/beta.
    """

    def __init__(self, model: Model, along: str = "margin"):
        check_model(model)
        if not (isinstance(model.data, Teacher) and isinstance(model.learner, Gibbs)):
            raise InvalidInput(f"the spinodals of a Gibbs learner with a teacher were asked for, got {model!r}")
        self.problem = problem_of(model)
        self.along = validate.choice("along", along, ("margin", "temperature"))

    def _at(self, c) -> Problem:
        """The problem at the parameter c, with both conjugates free."""
        c, labels, channel = float(c), self.problem.labels, self.problem.channel
        changed = {"margin": c} if self.along == "margin" else {"beta": 1.0 / c if c > 0.0 else math.nan}
        return self.problem._replace(labels=labels._replace(kind=TEACHER), channel=channel._replace(**changed))

    def loads(self, s, r, c, level: int = 0) -> np.ndarray:
        """(log alpha_q, log alpha_R)."""
        return np.array(log_alphas(self._at(c), r, s, level, buffers()))

    def gradients(self, s, r, c) -> np.ndarray:
        """[[A_s, B_s], [A_r, B_r]]."""
        out = []
        for ds, dr in ((STEP, 0.0), (0.0, STEP)):
            near = self.loads(s + ds, r + dr, c) - self.loads(s - ds, r - dr, c)
            far = self.loads(s + 2.0 * ds, r + 2.0 * dr, c) - self.loads(s - 2.0 * ds, r - 2.0 * dr, c)
            out.append((8.0 * near - far) / (12.0 * STEP))
        return np.array(out)

    def turn(self, s, r, c) -> float:
        """d log alpha along the curve of saddles, per unit length in (s, r), with R_hat growing at small overlaps."""
        g = self.gradients(s, r, c)
        across = g[:, 0] - g[:, 1]
        return float((g[1, 0] * g[0, 1] - g[0, 0] * g[1, 1]) / np.linalg.norm(across))

    def spinodal(self, z) -> np.ndarray:
        """(disagreement of the loads, derivative of the load along the branch) at z = (s, r, c)."""
        a, b = self.loads(*z)
        return np.array([a - b, self.turn(*z)])

    def freezing(self, z) -> np.ndarray:
        """(disagreement of the loads, entropy)."""
        a, b = self.loads(*z)
        return np.array([a - b, self.entropy(z)])

    def teacher_transition(self, z) -> np.ndarray:
        """(disagreement of the loads, free entropy minus that of the teacher itself), at margin 0."""
        a, b = self.loads(*z)
        flip = self.problem.labels.flip
        teacher = -math.exp(a) * self._at(z[2]).channel.beta * flip if flip > 0.0 else 0.0
        return np.array([a - b, self.read(*z).free - teacher])

    def coexistence(self, z) -> np.ndarray:
        """Four violations at z = (s1, r1, s2, r2, c): both saddles, equal loads, equal free entropies."""
        s1, r1, s2, r2, c = z
        one, two = self.loads(s1, r1, c), self.loads(s2, r2, c)
        if not (np.isfinite(one).all() and np.isfinite(two).all()):
            return np.full(4, math.nan)
        return np.array([one[0] - one[1], two[0] - two[1], one[0] - two[0], self.read(s1, r1, c).free - self.read(s2, r2, c).free])

    def load(self, z) -> float:
        """alpha at (s, r, ..., c)."""
        return math.exp(float(np.mean(self.loads(z[0], z[1], z[-1]))))

    def read(self, s, r, c) -> ReadOff:
        """Everything that `saddle.equilibrium.branch.read_off` says of a point; nan where the equations have none."""
        la = float(np.mean(self.loads(s, r, c)))
        return read_off(self._at(c), la, s, r, 0, buffers()) if math.isfinite(la) else NOTHING

    def entropy(self, z) -> float:
        """Entropy at (s, r, c), nats per weight."""
        return entropy(self._at(z[2]), float(np.mean(self.loads(*z))), self.read(*z))

    def critical(self, guess) -> np.ndarray:
        """(s, r, c) of the cusp, where both spinodals and the transition end together."""
        return self._root(lambda z: np.append(self.spinodal(z), self._bend(z)), guess, "critical point")

    def frozen_spinodal(self, guess) -> np.ndarray:
        """(s, r, c) where the entropy vanishes at the spinodal."""
        return self._root(lambda z: np.append(self.spinodal(z), self.entropy(z)), guess, "end of the freezing line")

    def _root(self, system, guess, what):
        found = newton(system, guess, options=EXACT)
        if found.status != CONVERGED:
            best = {self.along: float(found.x[2])}
            raise NotConverged(f"the {what} was found only to a residual of {found.residual:.1e}", best, found.residual)
        return found.x

    def _bend(self, z) -> float:
        """Derivative of `turn` along the curve of saddles, at fixed c."""
        s, r, c = z
        g = self.gradients(s, r, c)
        across = g[:, 0] - g[:, 1]
        ds, dr = WIDE * np.array([-across[1], across[0]]) / np.linalg.norm(across)
        ahead, behind = (self._settled(s + k * ds, r + k * dr, c) for k in (1.0, -1.0))
        return (self.turn(*ahead) - self.turn(*behind)) / (2.0 * WIDE)

    def _settled(self, s, r, c):
        """The saddle next to (s, r), by steps across the curve."""
        for _ in range(6):
            a, b = self.loads(s, r, c)
            if abs(a - b) < 1e-13:
                break
            g = self.gradients(s, r, c)
            across = g[:, 0] - g[:, 1]
            step = -(a - b) * across / (across @ across)
            s, r = s + step[0], r + step[1]
        return s, r, c


__all__ = ["Folds"]
