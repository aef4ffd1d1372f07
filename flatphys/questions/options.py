"""Options of questions, each with its check and its words on the command line."""

import math

from flatphys import validate
from flatphys.model import ENERGIES
from flatphys.questions.question import Option
from flatphys.saddle.dispatch import ANSATZE

REFERENCES = ("state", "teacher", "max_margin")


def _in(low=-math.inf, high=math.inf, closed="", infinite=False):
    return lambda name, value: validate.number(name, value, low, high, closed=closed, infinite=infinite)


def _one_of(*allowed):
    return lambda name, value: validate.choice(name, value, allowed)


ANSATZ = Option("ansatz", _one_of(*ANSATZE), "replica ansatz  [default: RS]", "|".join(ANSATZE), kind="text")
REFERENCE = Option("reference", _one_of(*REFERENCES), "which state the question is about", "|".join(REFERENCES), kind="text")
MARGIN = Option("margin", _in(), "margin that the counted weights reach  [default: 0]", "KAPPA", "counted-margin")
BETA = Option("beta", _in(0.0, infinite=True), "inverse temperature of the counted weights; inf: no errors", "BETA", "counted-beta")
ENERGY = Option("energy", _one_of(*ENERGIES), "energy of the counted weights  [default: errors]", "ENERGY", "counted-energy", "text")
Y = Option("y", _in(1.0, closed="[", infinite=True), "number of solutions per region, or inf  [default: inf]", "Y")
CENTRE = Option("centre", _one_of("binary"), "binary: around the best centre of +-1, at that distance from it", "binary", kind="text")
ATTRACTIVE = Option("attractive", validate.flag, "leave out replicas that repel each other", kind="switch")
VANISHING = Option("vanishing_external", validate.flag, "at the y whose external entropy vanishes", kind="switch")
FLATNESS = Option(
    "reference", _one_of("max_margin", "replicated"), "whose neighbourhood  [default: max_margin]", "max_margin|replicated", kind="text"
)
NORMALISED = Option("normalised", validate.flag, "divide by |w|/sqrt N", kind="switch")


def vector(name, low, high, closed=""):
    """An option that is taken whole, as an array."""
    return Option(name, _in(low, high, closed), metavar="GRID", vector=True)
