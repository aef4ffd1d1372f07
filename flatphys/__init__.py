"""flatphys: the statistical physics of learning, semi-analytically.  See `help(flatphys.solve)`."""

import importlib
from typing import TYPE_CHECKING

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
    "zero_crossings": "flatphys.thresholds.crossings",
    "largest_overlap": "flatphys.observables.largest_overlap",
    "teacher_state": "flatphys.saddle.franz_parisi.reference",
    "flatness_threshold": "flatphys.thresholds.flatness",
    "replicated_entropy": "flatphys.observables.replicated_entropy",
    "flattest": "flatphys.thresholds.flattest",
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
    "smoothed": "flatphys.model_losses",
    "GradientDescent": "flatphys.finite_size.descent.entropic",
    "EntropySGD": "flatphys.finite_size.descent.entropic",
    "online_learning": "flatphys.saddle.online",
    "sweep": "flatphys.sweeps.driver",
    "Store": "flatphys.sweeps.store",
    "supported": "flatphys.questions.support",
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
    "state_evolution": "flatphys.saddle.equilibrium.evolution",
    "message_passing": "flatphys.finite_size.messages.passing",
    "Found": "flatphys.finite_size.found",
    "generalization_error": "flatphys.finite_size.measured",
    "Messages": "flatphys.finite_size.messages.result",
    "enumerate_weights": "flatphys.finite_size.enumeration",
    "find": "flatphys.finite_size.find",
    "compare_algorithms": "flatphys.sweeps.contest",
    "flatness_against_generalization": "flatphys.sweeps.flatness_study",
    "Algorithm": "flatphys.finite_size.search",
    "Search": "flatphys.finite_size.search",
    "load": "flatphys.finite_size.archive",
    "FocusingBP": "flatphys.finite_size.messages.focusing",
    "SelfFieldBP": "flatphys.finite_size.messages.focusing",
    "ReinforcedBP": "flatphys.finite_size.messages.focusing",
    "SBPI": "flatphys.finite_size.binary.sbpi",
    "SimulatedAnnealing": "flatphys.finite_size.binary.annealing",
    "ReplicatedAnnealing": "flatphys.finite_size.binary.annealing",
    "SGD": "flatphys.finite_size.descent.algorithms",
    "ReplicatedSGD": "flatphys.finite_size.descent.algorithms",
    "Schedule": "flatphys.finite_size.descent.schedule",
}

if TYPE_CHECKING:  # the same names once more, for type checkers and editors; a test compares the two lists
    from flatphys import precise as precise
    from flatphys.comparison.check import check as check
    from flatphys.finite_size import trained as finite
    from flatphys.finite_size.archive import load as load
    from flatphys.finite_size.binary.annealing import ReplicatedAnnealing as ReplicatedAnnealing, SimulatedAnnealing as SimulatedAnnealing
    from flatphys.finite_size.binary.sbpi import SBPI as SBPI
    from flatphys.finite_size.chains.ensemble import Chains as Chains
    from flatphys.finite_size.descent.algorithms import SGD as SGD, ReplicatedSGD as ReplicatedSGD
    from flatphys.finite_size.descent.entropic import EntropySGD as EntropySGD, GradientDescent as GradientDescent
    from flatphys.finite_size.descent.schedule import Schedule as Schedule
    from flatphys.finite_size.enumeration import enumerate_weights as enumerate_weights
    from flatphys.finite_size.estimate import extrapolate as extrapolate
    from flatphys.finite_size.find import find as find
    from flatphys.finite_size.found import Found as Found
    from flatphys.finite_size.instances import Instances as Instances, make_instances as make_instances
    from flatphys.finite_size.integrate import sample_local_entropy as sample_local_entropy
    from flatphys.finite_size.measured import generalization_error as generalization_error
    from flatphys.finite_size.messages.focusing import FocusingBP as FocusingBP, ReinforcedBP as ReinforcedBP, SelfFieldBP as SelfFieldBP
    from flatphys.finite_size.messages.passing import message_passing as message_passing
    from flatphys.finite_size.messages.result import Messages as Messages
    from flatphys.finite_size.run import Run as Run
    from flatphys.finite_size.sampling import sample as sample
    from flatphys.finite_size.search import Algorithm as Algorithm, Search as Search
    from flatphys.model_losses import smoothed as smoothed
    from flatphys.observables.largest_overlap import largest_overlap as largest_overlap
    from flatphys.observables.local_energy import local_energy as local_energy
    from flatphys.observables.local_entropy import local_entropy as local_entropy
    from flatphys.observables.margins import margins as margins
    from flatphys.observables.relative_flatness import relative_flatness as relative_flatness
    from flatphys.observables.replicated_entropy import replicated_entropy as replicated_entropy
    from flatphys.phase_diagrams.diagram import phase_diagram as phase_diagram
    from flatphys.questions.support import supported as supported
    from flatphys.saddle.dispatch import branches as branches, solve as solve
    from flatphys.saddle.equilibrium.evolution import state_evolution as state_evolution
    from flatphys.saddle.franz_parisi.reference import teacher_state as teacher_state
    from flatphys.saddle.online import online_learning as online_learning
    from flatphys.state import State as State
    from flatphys.sweeps.contest import compare_algorithms as compare_algorithms
    from flatphys.sweeps.driver import sweep as sweep
    from flatphys.sweeps.flatness_study import flatness_against_generalization as flatness_against_generalization
    from flatphys.sweeps.store import Store as Store
    from flatphys.thresholds.capacity import capacity as capacity, max_margin as max_margin
    from flatphys.thresholds.crossings import zero_crossings as zero_crossings
    from flatphys.thresholds.dense import (
        replicated_flatness_threshold as replicated_flatness_threshold,
        vanishing_external_y as vanishing_external_y,
    )
    from flatphys.thresholds.flatness import flatness_threshold as flatness_threshold
    from flatphys.thresholds.flattest import flattest as flattest
    from flatphys.thresholds.freezing import at_line as at_line, freezing_beta as freezing_beta, ground_state as ground_state
    from flatphys.thresholds.optimal import bayes_error as bayes_error, optimal_l2 as optimal_l2
    from flatphys.thresholds.separability import separability_threshold as separability_threshold
    from flatphys.thresholds.transition import first_order_transition as first_order_transition

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


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module 'flatphys' has no attribute {name!r}")
    module = importlib.import_module(_LAZY[name])
    value = module if name in _MODULES else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
