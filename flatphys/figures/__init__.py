"""The gallery: every figure by name, each a module with `compute()` (records for its CSV) and `draw(records)`."""

import importlib
import pathlib

from flatphys import validate

TITLES = {
    "entropy-vs-alpha": "Entropy of binary solutions against the load, for several margins",
    "capacity-vs-margin": "Capacity against margin, binary and spherical weights, with stability and one-step RSB lines",
    "committee-capacity": "Capacity of tree committees against margin by activation, binary and spherical weights",
    "learning-curves": "Generalization error of the teacher-student problem, with the first-order jump",
    "margin-distributions": "Distributions of stabilities: typical solutions, finite temperature, teacher, maximum margin",
    "erm-learning-curves": "Generalization error of trained classifiers: interpolation peak, Bayes-optimal floor",
    "erm-unbalanced": "Generalization error on an unbalanced mixture, with and without a bias",
    "erm-margins": "Training stabilities below and above the separability threshold, with simulations",
    "flatness-generalization": "Local energy and relative flatness against generalization error along a path in l2",
    "local-entropy-margins": "Local entropy around typical binary solutions of growing margin, at three loads",
    "local-entropy-minimisers": "Local entropy around minimisers of the logistic loss of growing l2, without errors and at a price",
    "local-entropy-vs-margin": "Local entropy at small distances against the margin of the reference",
    "flatness-threshold": "Local entropy around the maximum margin and its slope, below, at and above the flatness threshold",
    "committee-local-entropy": "Local entropy around the maximum margin of tree committees, and where their flatness ends",
    "replicated-entropy": "Entropy of the densest regions of binary solutions beside that around typical ones",
    "flatness-phase-diagram": "Capacity and flatness threshold of the densest regions in the plane of load and margin",
}


def names() -> tuple[str, ...]:
    """The figures' names, as on the command line."""
    return tuple(TITLES)


def check(name: str) -> str:
    """`name` as it is listed (underscores are read as hyphens); raises `InvalidInput` where it is unknown."""
    return validate.choice("figure", name.replace("_", "-") if isinstance(name, str) else name, names())


def load(name: str):
    """The module of a figure, with its `compute` and `draw`."""
    return importlib.import_module(f"flatphys.figures.{check(name).replace('-', '_')}")


def make(name: str, out: str | pathlib.Path = "figures") -> list[pathlib.Path]:
    """Compute, draw and save a figure as PNG, PDF and CSV in the folder `out`; returns the three paths.

    The files are the same byte for byte in every run of one version of flatphys and matplotlib.
    """
    from flatphys.figures import style

    module = load(name)
    records = module.compute()
    with style.paper():
        return style.save(module.draw(records), records, pathlib.Path(out) / check(name))
