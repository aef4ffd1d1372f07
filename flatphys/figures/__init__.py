"""The gallery: every figure by name, each a module with `compute()` (records for its CSV) and `draw(records)`."""

import importlib
import multiprocessing
import os
import pathlib
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed

from flatphys import validate

TITLES = {
    "entropy-vs-alpha": "Entropy of binary solutions against the load, for several margins",
    "capacity-vs-margin": "Capacity against margin, binary and spherical weights, with stability and one-step RSB lines",
    "committee-capacity": "Capacity of tree committees against margin by activation, binary and spherical weights",
    "learning-curves": "Generalization error of the teacher-student problem, with the first-order jump",
    "margin-distributions": "Distributions of stabilities: typical solutions, finite temperature, teacher, maximum margin",
    "energies": "What counting errors, hinge, squared hinge and square do to ground states and to the law of the stabilities",
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
    "flatness-bayes": "Error of the centre of replicas against their distance: is the flattest classifier the best one?",
    "flatness-scales": "Local free entropy against generalization error at three scales: Hebb, the path in l2, the best centres",
    "smoothing-bayes": "Three roads to Hebb's rule: smoothed losses, strong l2, small norm; a bias trained or set afterwards",
    "flatness-phase-diagram": "Capacity and flatness threshold of the densest regions in the plane of load and margin",
    "phase-binary-perceptron": "Phase diagram of the binary perceptron: capacity, stability, dense and flat regions",
    "phase-spherical-perceptron": "Phase diagram of the spherical perceptron: Gardner's capacity, stability, one-step RSB",
    "phase-teacher-student": "Phase diagrams of a binary student and teacher: transition, spinodals, metastable regions",
    "phase-gaussian-mixture": "Phase diagrams of the Gaussian mixture: separability, Bayes error, best regularisation",
    "theory-vs-simulation": "Training error, law of stabilities and local entropy: theory at N = infinity beside finite systems",
    "state-evolution": "Message passing on instances, iteration by iteration, on the curves of state evolution",
    "self-field-messages": "Infinitely many replicas at one mutual distance: theory beside message passing with a self-field",
    "found-local-entropy": "Local entropy of what algorithms find, between typical solutions and the best centre",
    "focusing-success": "Fraction of instances that a focusing algorithm solves against the load, beside theory's thresholds",
    "algorithms-success": "Which algorithms find solutions of the binary perceptron, up to which load, after how much work",
    "algorithms-flatness": "Local entropy, local energy and replicas of what algorithms find, beside typical and flat solutions",
    "algorithms-generalization": "Flatness of the solutions that algorithms find on a teacher's problems against their test error",
    "entropic-smoothing": "Noise on the weights leads from ERM to the Bayes-optimal direction: smoothed losses with finite systems on them",
    "online-descent": "Online stochastic gradient descent beside its differential equations, teacher and mixture",
    "negative-margin-descent": "Fraction of negative perceptrons that gradient descent solves against the load, beside the capacities",
    "first-order-hysteresis": "Overlap with a binary teacher around the first-order transition: simulations from both sides on "
    "theory's branches",
}
SLOW = (
    "algorithms-generalization",
    "algorithms-success",
    "algorithms-flatness",
    "phase-binary-perceptron",
    "erm-learning-curves",
    "theory-vs-simulation",
    "committee-local-entropy",
    "local-entropy-minimisers",
    "local-entropy-margins",
    "flatness-bayes",
    "smoothing-bayes",
)  # started first


def names() -> tuple[str, ...]:
    """The figures' names, as on the command line."""
    return tuple(TITLES)


def check(name: str) -> str:
    """`name` as it is listed (underscores are read as hyphens); raises `InvalidInput` where it is unknown."""
    return validate.choice("figure", name.replace("_", "-") if isinstance(name, str) else name, names())


def load(name: str):
    """The module of a figure, with its `compute` and `draw`."""
    return importlib.import_module(f"flatphys.figures.{check(name).replace('-', '_')}")


def records(name: str, store: bool | str | pathlib.Path = False) -> list[dict]:
    """The data of a figure, as in its CSV: computed, or read where this version of flatphys has computed and stored it before.

    `store` is a folder, or True for that of the user's cache.
    """
    from flatphys.figures import stored

    return stored.records(check(name), load(name).compute, store)


def make(
    name: str, out: str | pathlib.Path = "figures", style: str = "paper", store: bool | str | pathlib.Path = False
) -> list[pathlib.Path]:
    """Compute, draw and save a figure as PNG, PDF and CSV in the folder `out`; returns the three paths.

    The files are the same byte for byte in every run of one version of flatphys and matplotlib, from a store or without.

    Parameters
    ----------
    style : "paper" (a printed column) or "notebook" (larger, for screens)
    store : bool or folder
        As in `records`.
    """
    from flatphys.plotting import style as look

    with look.context(style):
        data = records(name, store)
        return look.save(load(name).draw(data), data, pathlib.Path(out) / check(name))


def cores() -> int:
    """How many processes this one may keep busy."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def make_all(
    wanted, out="figures", style: str = "paper", store=False, workers: int | None = None
) -> Iterator[tuple[str, list[pathlib.Path]]]:
    """(name, paths) of every wanted figure as it is done, drawn by several processes (one per core, or `workers`).

    In a script of your own call this below `if __name__ == "__main__":`, as with any process pool.
    """
    wanted = [check(name) for name in wanted]
    workers = min(cores() if workers is None else workers, len(wanted))
    if workers < 2:
        for name in wanted:
            yield name, make(name, out, style, store)
        return
    ordered = sorted(wanted, key=lambda name: SLOW.index(name) if name in SLOW else len(SLOW))
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=_deaf)
    try:
        jobs = {pool.submit(make, name, out, style, store): name for name in ordered}
        for job in as_completed(jobs):
            yield jobs[job], job.result()
    except BaseException:  # Ctrl-C, an error, or nobody who wants more: at once, since every file appears whole or not at all
        for worker in set(multiprocessing.active_children()) - others:
            worker.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _deaf():
    """Ctrl-C is for the parent: it ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
