"""Asks one random problem and judges the answer: status, worth, warnings, time, and what the checks say."""

import math
import time
import warnings
from dataclasses import dataclass, field

import numpy as np

import flatphys as fp
from flatphys import errors

REFUSALS = (errors.Unsatisfiable, errors.NoSolution, errors.NotConverged, errors.InvalidInput)
EXPECTED_WARNINGS = (errors.ReplicaSymmetryWarning, errors.NegativeEntropyWarning)
SLOW = 2.0  # seconds of CPU


@dataclass
class Outcome:
    """What came of a problem: `status` is "ok" or the name of an error, `wrong` what is not as it must be."""

    problem: object
    status: str
    seconds: float
    answer: object = None
    message: str = ""
    wrong: list = field(default_factory=list)
    checks: int = 0


def asked(function, *args, **options):
    """(status, answer or error, seconds, unexpected warnings)."""
    start = time.process_time()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            status, answer = "ok", function(*args, **options)
        except REFUSALS as error:
            status, answer = type(error).__name__, error
        except Exception as error:
            status, answer = "foreign", error
    strange = [f"{w.category.__name__}: {w.message}" for w in seen if not issubclass(w.category, EXPECTED_WARNINGS)]
    return status, answer, time.process_time() - start, strange


def value_of(function, *args, **options):
    """The answer, None where it is refused."""
    status, answer, _, _ = asked(function, *args, **options)
    return answer if status == "ok" else None


def state_of(problem):
    """The state that a question is asked about."""
    return fp.solve(problem.model, problem.alpha)


ABOUT_STATES = ("margins", "local_energy", "local_entropy", "largest_overlap", "zero_crossings", "relative_flatness")


def ask(problem):
    """The answer of the library to a problem, as a user would get it."""
    question, model, alpha, options = problem.question, problem.model, problem.alpha, problem.options
    if question in ABOUT_STATES:
        return getattr(fp, question)(state_of(problem), **options)
    if question == "one_step":
        return fp.solve(model, alpha, ansatz="1RSB")
    if question in ("capacity", "at_line", "first_order_transition"):
        return getattr(fp, question)(model)
    if question == "separability_threshold":
        return fp.separability_threshold(model.data, model.learner.bias)
    if question == "bayes_error":
        return fp.bayes_error(model.data, alpha, getattr(model.learner, "weights", "spherical"))
    return getattr(fp, question)(model, alpha, **options)


def judge(problem, checks, slow=SLOW):
    """The outcome of one problem; `checks` maps a question to a function (problem, answer) -> disagreements."""
    status, answer, seconds, strange = asked(ask, problem)
    out = Outcome(
        problem, status, seconds, answer if status == "ok" else None, "" if status == "ok" else f"{type(answer).__name__}: {answer}"
    )
    out.wrong += [f"warning {text}" for text in strange]
    if status == "foreign":
        out.wrong.append(f"foreign exception {out.message}")
    elif status != "ok" and "nan" in out.message.replace("nance", "").split("Model(")[0].lower().replace("dominant", "").split():
        out.wrong.append(f"nan in a sentence: {out.message}")
    if seconds > slow:
        out.wrong.append(f"slow: {seconds:.1f} s ({status})")
    if status == "ok":
        with np.errstate(all="ignore"):
            for check in checks.get(problem.question, ()):
                _passed(out, check(problem, answer))
    return out


def _passed(out, verdicts):
    """Count the verdicts of one check; where the library refuses in words what a check asks for, the rest of it says nothing."""
    try:
        for text in verdicts:
            if text is None:
                out.checks += 1
            else:
                out.wrong.append(text)
    except REFUSALS:
        return


def close(name, got, want, relative=1e-7, absolute=1e-9):
    """None where `got` is `want`, a sentence where it is not."""
    if got is None or want is None or not math.isfinite(want):
        return None
    if not abs(got - want) <= relative * abs(want) + absolute:
        return f"{name} is {got!r}, should be {want!r} (difference {got - want:.2e})"
    return None


def within(name, value, low, high, slack=0.0):
    """None where low <= value <= high, a sentence where not (also for nan)."""
    return None if low - slack <= value <= high + slack else f"{name} is {value!r}, outside [{low!r}, {high!r}]"
