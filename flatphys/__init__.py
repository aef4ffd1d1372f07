"""flatphys: the statistical physics of learning, semi-analytically.  See `help(flatphys.solve)`."""

import importlib

from flatphys import errors
from flatphys.model import (
    ERM,
    Bayes,
    CustomLoss,
    GaussianMixture,
    Gibbs,
    Hebb,
    MaxMargin,
    Model,
    Perceptron,
    RandomLabels,
    Teacher,
    TreeCommittee,
)

__version__ = "0.1.0"

# Loaded on first use, so that `import flatphys` stays fast: name -> module.
_LAZY = {
    "solve": "flatphys.saddle.dispatch",
    "branches": "flatphys.saddle.dispatch",
    "State": "flatphys.state",
    "margins": "flatphys.observables.margins",
    "local_energy": "flatphys.observables.local_energy",
    "relative_flatness": "flatphys.observables.relative_flatness",
    "local_entropy": "flatphys.observables.local_entropy",
    "zero_crossings": "flatphys.observables.local_entropy",
    "largest_overlap": "flatphys.observables.largest_overlap",
    "teacher_state": "flatphys.observables.local_entropy",
    "flatness_threshold": "flatphys.thresholds.flatness",
    "replicated_entropy": "flatphys.observables.replicated_entropy",
    "replicated_flatness_threshold": "flatphys.thresholds.dense",
    "vanishing_external_y": "flatphys.thresholds.dense",
    "capacity": "flatphys.thresholds",
    "max_margin": "flatphys.thresholds",
    "at_line": "flatphys.thresholds",
    "freezing_beta": "flatphys.thresholds",
    "ground_state": "flatphys.thresholds",
    "first_order_transition": "flatphys.thresholds",
    "bayes_error": "flatphys.thresholds",
    "separability_threshold": "flatphys.thresholds",
    "optimal_l2": "flatphys.thresholds",
    "sweep": "flatphys.sweeps.driver",
    "Store": "flatphys.sweeps.store",
    "phase_diagram": "flatphys.phase_diagrams",
    "precise": "flatphys.precise",
    "finite": "flatphys.finite_size.trained",
    "sample": "flatphys.finite_size.sampling",
    "sample_local_entropy": "flatphys.finite_size.integrate",
    "extrapolate": "flatphys.finite_size.estimate",
    "Run": "flatphys.finite_size.run",
    "check": "flatphys.comparison.check",
    "make_instances": "flatphys.finite_size.instances",
    "Instances": "flatphys.finite_size.instances",
    "Chains": "flatphys.finite_size.chains.ensemble",
}

_MODULES = ("precise", "finite")  # public names that are modules themselves

__all__ = [
    "ERM",
    "Bayes",
    "CustomLoss",
    "GaussianMixture",
    "Gibbs",
    "Hebb",
    "MaxMargin",
    "Model",
    "Perceptron",
    "RandomLabels",
    "Teacher",
    "TreeCommittee",
    "errors",
    *_LAZY,
]


def __getattr__(name):
    if name not in _LAZY:
        raise AttributeError(f"module 'flatphys' has no attribute {name!r}")
    module = importlib.import_module(_LAZY[name])
    value = module if name in _MODULES else getattr(module, name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *__all__})
