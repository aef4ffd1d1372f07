"""How the questions of another signature are asked, and how answers are read that are no plain number."""

import math

import flatphys as fp
from flatphys.errors import NoSolution
from flatphys.questions.answer import Answer


def bayes_error(model, alpha):
    """Of the data, for centres of the kind of the learner's weights."""
    return fp.bayes_error(model.data, alpha, getattr(model.learner, "weights", "spherical"))


def separability(model):
    """Of the data, with a bias if the learner has one."""
    return fp.separability_threshold(model.data, getattr(model.learner, "bias", False))


def largest_overlap(state, margin=0.0):
    """As `flatphys.largest_overlap`."""
    return fp.largest_overlap(state, margin)


def vanishing_y(model, alpha, distance):
    """At every distance, nan where there is none."""
    found = []
    for d in distance:
        try:
            found.append(fp.vanishing_external_y(model, alpha, float(d)))
        except NoSolution:
            found.append(math.nan)
    return found


def vanishing_answer(found, options):
    """Along the distances."""
    status = ["no_solution" if y != y else "ok" for y in found]
    reasons = {"no_solution": "no y with vanishing external entropy was found at this distance"}
    return Answer(vectors={"vanishing_external_y": found}, status=status, reasons=reasons)


def margins(state, normalised=False, x=None):
    """The law, perhaps of normalised weights."""
    law = fp.margins(state)
    return law.normalised() if normalised else law


def moments(law, options):
    """Moments of a law, its heaviest atom, and its densities where places are given."""
    answer = Answer({name: getattr(law, name) for name in ("mean", "variance", "skewness", "mass_below_zero")})
    if law.atoms:
        answer.scalars["atom_place"], answer.scalars["atom_mass"] = max(law.atoms, key=lambda atom: atom[1])
    if "x" in options:
        answer.vectors = {"pdf": law.pdf(options["x"]), "cdf": law.cdf(options["x"])}
    return answer


def dense_threshold(found, options):
    """Where the densest regions break up."""
    names = ("distance", "value", "y", "external_entropy")
    return Answer({"replicated_flatness_threshold": found.alpha, **{name: getattr(found, name) for name in names}})


def flattest_answer(found, options):
    """Where the centre of replicas is best."""
    names = ("distance", "cosine", "centre_generalization_error", "bayes_error", "excess", "typical_distance")
    return Answer({**{name: getattr(found, name) for name in names}, "at_limit": float(found.at_limit)})
