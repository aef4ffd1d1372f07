"""What can go wrong: one class each, so that a caller can tell bad input from physics from numerics."""


class FlatphysError(Exception):
    """Base of the errors that are not about the input."""


class InvalidInput(ValueError):
    """An argument is out of its range, of the wrong type or an unknown name; raised before any work."""


class Unsatisfiable(FlatphysError):
    """Hard constraints that no weights fulfil: the load is beyond capacity."""


class NoSolution(FlatphysError):
    """The equations of this ansatz have no saddle point of the kind asked for."""


class NotConverged(FlatphysError):
    """The equations have not been solved to tolerance; says nothing about the physics.

    Attributes
    ----------
    best : object
        The best point found (a dict of order parameters), not to be trusted.
    residual : float
        Its residual.
    """

    def __init__(self, message: str, best: object = None, residual: float = float("nan")) -> None:
        super().__init__(message)
        self.best = best
        self.residual = residual

    def __reduce__(self) -> tuple:  # the default forgets everything but the message (process pools pickle errors)
        return type(self), (self.args[0], self.best, self.residual)


class TrainingDiverged(FlatphysError):
    """A training ran away: losses that are nan or inf, or above their start for long.

    Attributes
    ----------
    step : int
        The step at which it was seen.
    network : object
        The last good network.
    """

    def __init__(self, message: str, step: int = 0, network: object = None) -> None:
        super().__init__(message)
        self.step = step
        self.network = network

    def __reduce__(self) -> tuple:
        return type(self), (self.args[0], self.step, self.network)


class StoreError(FlatphysError):
    """A store of results cannot be used: not one, damaged, or written by another version; says what to do."""


class WorkerError(FlatphysError):
    """The executor of a sweep could not run its points at all."""


class SweepWarning(UserWarning):
    """A sweep was interrupted or had to change its executor; what it returned holds."""


class CacheWarning(UserWarning):
    """What is kept on disk (compiled code, a store, a checkpoint) is damaged, of another version or cannot be written: time is lost."""


class NoDevice(FlatphysError):
    """A GPU was asked for and cannot be used; the message says what is missing and how to install it."""


class ReplicaSymmetryWarning(UserWarning):
    """The replicon is negative: the replica-symmetric values are bounds or approximations."""


class NegativeEntropyWarning(UserWarning):
    """A logarithmic count of binary weights is negative: no such weights exist, the value is formal."""


class NotMixedWarning(UserWarning):
    """Markov chains too short, or that remember how they started: their averages are not those of the ensemble."""


class DivergenceWarning(UserWarning):
    """A descent went up for too long, or beyond what numbers can hold: the last good weights are kept; says at which step."""


class InterruptedRunWarning(UserWarning):
    """A run stopped by Ctrl-C: what it returns is an estimate from the part that was done."""
