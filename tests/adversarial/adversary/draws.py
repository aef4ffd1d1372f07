"""Random problems: a model, a load, a question and its options, with heavy tails; each is made from one seed."""

import math
import random
from dataclasses import dataclass, field

import flatphys as fp

ENERGIES = ("errors", "hinge", "squared-hinge", "square")
LOSSES = ("square", "logistic", "hinge", "squared-hinge")


@dataclass(frozen=True)
class Problem:
    """One question: `flatphys.<question>` of a model at a load, or of its state there."""

    question: str
    model: fp.Model
    alpha: float
    options: dict = field(default_factory=dict)
    seed: int = 0


# A draw is a function of a random.Random.
def just(value):
    """Always the same."""
    return lambda r: value


def uniform(low, high):
    """Uniform."""
    return lambda r: r.uniform(low, high)


def decades(low, high):
    """10^x, x uniform."""
    return lambda r: 10.0 ** r.uniform(low, high)


def choice(*values):
    """One of some values."""
    return lambda r: r.choice(values)


def mixed(*parts):
    """One of several draws, a repeated one so much more often."""
    return lambda r: r.choice(parts)(r)


def signed(part):
    """Either sign."""
    return lambda r: r.choice((-1.0, 1.0)) * part(r)


def below(edge, part):
    """`edge` minus a draw, which may be tiny."""
    return lambda r: edge - part(r)


def several(part):
    """One to three values, sorted."""
    return lambda r: sorted({part(r) for _ in range(r.randint(1, 3))})


margins = mixed(just(0.0), just(0.0), uniform(-1.5, 1.5), signed(decades(-10.0, -1.0)), signed(decades(-1.0, 1.0)))
betas = mixed(just(math.inf), just(math.inf), decades(-1.0, 1.3), decades(-1.0, 1.3), decades(-6.0, 4.0))
loads = mixed(*[decades(-1.3, 0.8)] * 4, decades(-1.0, 2.5), decades(-6.0, 8.0))
flips = mixed(just(0.0), just(0.0), uniform(0.0, 0.4), decades(-12.0, -1.0), below(0.5, decades(-12.0, -1.0)))
penalties = mixed(decades(-3.0, 1.5), decades(-3.0, 1.5), just(0.0), decades(-14.0, 8.0))
shares = mixed(just(0.5), just(0.5), uniform(0.05, 0.95), decades(-6.0, -1.0))
variances = mixed(just(1.0), decades(-1.0, 1.0), decades(-4.0, 4.0))
overlaps = mixed(
    uniform(0.05, 0.95), uniform(0.05, 0.95), uniform(-0.99, 0.99), below(1.0, decades(-8.0, -1.0)), signed(decades(-8.0, -1.0))
)
distances = mixed(uniform(0.01, 0.49), uniform(0.01, 0.49), decades(-8.0, -0.4), below(0.5, decades(-8.0, -1.0)))
networks = mixed(*[just(fp.Perceptron())] * 5, lambda r: fp.TreeCommittee(r.choice(("sign", "erf", "relu"))))
energies = mixed(*[just("errors")] * 3, choice(*ENERGIES))
replicas = mixed(just(math.inf), just(math.inf), decades(0.02, 3.0))


def gibbs(data=None, **fixed):
    """A Gibbs learner on random labels or with a teacher."""

    def draw(r):
        kind = data or r.choice((fp.RandomLabels, fp.Teacher))
        labels = fp.Teacher(flips(r)) if kind is fp.Teacher else fp.RandomLabels()
        parts = {
            "weights": r.choice(("binary", "spherical")),
            "margin": margins(r),
            "beta": betas(r),
            "network": networks(r) if kind is fp.RandomLabels else fp.Perceptron(),
            "energy": energies(r),
            **fixed,
        }
        if parts["energy"] == "square":
            if parts["beta"] == math.inf and "beta" not in fixed:
                parts["beta"] = 1.0
            if kind is fp.Teacher and not parts["margin"] > 0.0:
                parts["margin"] = abs(parts["margin"]) or 1.0
        return fp.Model(labels, fp.Gibbs(**parts))

    return draw


def rules(kinds=(fp.ERM, fp.ERM, fp.ERM, fp.MaxMargin, fp.Hebb, fp.Bayes), losses=LOSSES, balanced=False):
    """A trained rule on the mixture or with a teacher."""

    def draw(r):
        mixture, kind = r.random() < 0.5, r.choice(kinds)
        data = fp.GaussianMixture(variances(r), 0.5 if balanced else shares(r)) if mixture else fp.Teacher(flips(r))
        bias = mixture and not balanced and r.random() < 0.5
        if kind is fp.Bayes:
            return fp.Model(data, fp.Bayes("spherical" if mixture else r.choice(("binary", "spherical"))))
        if kind is fp.ERM:
            return fp.Model(data, fp.ERM(r.choice(losses), penalties(r), bias))
        return fp.Model(data, kind(bias))

    return draw


def broken(weights):
    """A learner whose replica symmetry breaks at large loads."""
    margin, beta = (uniform(-2.5, -0.2), just(math.inf)) if weights == "spherical" else (uniform(-0.5, 0.8), decades(0.3, 1.5))
    return lambda r: fp.Model(fp.RandomLabels(), fp.Gibbs(weights, margin(r), beta(r)))


sharp = gibbs(beta=math.inf, energy="errors")
anything = mixed(gibbs(), gibbs(), rules())
around = mixed(gibbs(), gibbs(), rules(balanced=True))
nothing = just({})


def options(**parts):
    """A dictionary of draws."""
    return lambda r: {name: part(r) for name, part in parts.items()}


# question -> (models, options, how often): slow ones seldom
QUESTIONS = {
    "solve": (anything, nothing, 12),
    "branches": (gibbs(), nothing, 6),
    "one_step": (mixed(*map(broken, ("binary", "spherical"))), nothing, 2),
    "margins": (anything, nothing, 8),
    "local_energy": (
        anything,
        mixed(
            options(sigma=several(mixed(uniform(0.0, 2.0), decades(-8.0, 4.0)))),
            options(distance=several(mixed(uniform(0.0, 1.0), decades(-8.0, 0.0)))),
        ),
        6,
    ),
    "local_entropy": (
        around,
        options(overlap=several(overlaps), margin=margins, beta=betas, energy=mixed(*[just("errors")] * 4, choice(*ENERGIES[:3]))),
        12,
    ),
    "largest_overlap": (rules(balanced=True), options(margin=margins), 4),
    "replicated_entropy": (gibbs(), options(distance=several(distances), y=replicas), 4),
    "capacity": (gibbs(beta=math.inf), nothing, 3),
    "max_margin": (sharp, nothing, 3),
    "at_line": (gibbs(), nothing, 2),
    "freezing_beta": (gibbs(weights="binary"), nothing, 1),
    "ground_state": (gibbs(beta=math.inf), nothing, 2),
    "first_order_transition": (gibbs(data=fp.Teacher), nothing, 2),
    "zero_crossings": (mixed(sharp, rules(balanced=True)), options(margin=margins), 1),
    "vanishing_external_y": (sharp, options(distance=distances), 1),
    "optimal_l2": (rules(kinds=(fp.ERM,)), nothing, 3),
    "separability_threshold": (rules(kinds=(fp.MaxMargin,)), nothing, 2),
    "bayes_error": (rules(), nothing, 3),
    "relative_flatness": (
        mixed(
            rules(kinds=(fp.ERM,), losses=("square", "logistic", "squared-hinge")), gibbs(energy="squared-hinge", network=fp.Perceptron())
        ),
        nothing,
        2,
    ),
}


def problem(seed, questions=tuple(QUESTIONS)):
    """The problem that a seed makes."""
    r = random.Random(seed)
    question = r.choices(questions, [QUESTIONS[name][2] for name in questions])[0]
    model, options, _ = QUESTIONS[question]
    drawn, alpha = model(r), loads(r)
    if question == "ground_state":
        alpha *= 10.0  # most lie beyond capacity
    if question == "one_step":  # up to the replica-symmetric capacity and a little beyond
        k = drawn.learner.margin
        tail, bell = 0.5 * math.erfc(-k / math.sqrt(2.0)), math.exp(-0.5 * k * k) / math.sqrt(2.0 * math.pi)
        alpha = r.uniform(0.4, 1.05) / ((1.0 + k * k) * tail + k * bell)
    return Problem(question, drawn, alpha, options(r), seed)
