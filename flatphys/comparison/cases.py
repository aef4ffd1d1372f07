"""What the report of agreement compares: models, loads, sizes and options of the simulations.

Sizes were chosen by what equilibrates: single flips of binary weights cost about sqrt(N) violations, so
that large loads and betas are sampled at small N with a ladder, and small ones at N up to 2001.  Where O(1/N) is visible beside the error,
several sizes are extrapolated by a polynomial in 1/N; no allowance is made for it anywhere.
"""

import math
from dataclasses import dataclass, field

from flatphys.comparison.check import check
from flatphys.comparison.report import CheckReport
from flatphys.finite_size.integrate import sample_local_entropy
from flatphys.finite_size.sampling import sample
from flatphys.model import ENERGIES, ERM, GaussianMixture, Gibbs, MaxMargin, Model, RandomLabels, Teacher
from flatphys.observables.local_entropy import local_entropy
from flatphys.saddle.dispatch import solve
from flatphys.saddle.franz_parisi.reference import teacher_state

MIXTURE = GaussianMixture()


@dataclass(frozen=True)
class Case:
    """One comparison: a model at a load, the sizes and options of its simulation."""

    name: str
    title: str
    model: Model
    alpha: float
    sizes: tuple
    options: dict
    seed: int = 1
    order: int = 1  # of the extrapolation in 1/N

    def run(self, bound: float, device: str, threads) -> CheckReport:
        """Sample, solve, compare."""
        options = {"seed": self.seed, "device": device, "threads": threads, **self.options}
        runs = [self.simulate(n, options) for n in self.sizes]
        return check(self.theory(runs[-1]), runs, bound, order=self.order)

    def simulate(self, n, options):
        """The run of one size."""
        return sample(self.model, n, self.alpha, **options)

    def theory(self, run):
        """What the run is compared with."""
        return solve(self.model, run.alpha)


@dataclass(frozen=True)
class Around(Case):
    """A local entropy: `around` says around what, at which distances or overlaps, and of which weights."""

    around: dict = field(default_factory=dict)

    def simulate(self, n, options):
        """The run of one size."""
        return sample_local_entropy(self.model, n, self.alpha, **self.around, **options)

    def theory(self, run):
        """What the run is compared with."""
        return local_entropy(solve(self.model, run.alpha), overlap=run.overlap, margin=run.margin, beta=run.beta, energy=run.cost)


@dataclass(frozen=True)
class AroundTeacher(Around):
    """A local entropy around the teacher."""

    def simulate(self, n, options):
        """The run of one size."""
        return super().simulate(n, {"reference": "teacher", **options})

    def theory(self, run):
        """What the run is compared with."""
        return local_entropy(teacher_state(self.model, run.alpha), overlap=run.overlap, margin=run.margin, beta=run.beta, energy=run.cost)


def storage(weights, alpha, beta, sizes, order=1, **options) -> Case:
    """Random labels, errors counted."""
    return Case(
        f"{weights}-{alpha:g}-{beta:g}",
        f"random labels, {weights} weights, alpha = {alpha:g}, beta = {beta:g}",
        Model(RandomLabels(), Gibbs(weights, beta=beta)),
        alpha,
        sizes,
        options,
        order=order,
    )


def energetic(weights, energy, alpha, beta, sizes, **options) -> Case:
    """Random labels, another energy, at margin 1/2."""
    return Case(
        f"{weights}-{energy}",
        f"random labels, {weights} weights, energy {energy}, margin 0.5, alpha = {alpha:g}, beta = {beta:g}",
        Model(RandomLabels(), Gibbs(weights, 0.5, beta, energy=energy)),
        alpha,
        sizes,
        options,
    )


def clouds(weights, energy, sizes, **options) -> Case:
    """The mixture at alpha = 2, beta = 1: hinges and squares at margin 1, errors at margin 0."""
    margin = 0.0 if energy in ("errors", "logistic") else 1.0
    return Case(
        f"mixture-{weights}-{energy}",
        f"Gaussian mixture, {weights} weights, energy {energy}, margin {margin:g}, alpha = 2, beta = 1",
        Model(MIXTURE, Gibbs(weights, margin, 1.0, energy=energy)),
        2.0,
        sizes,
        options,
    )


def student(alpha, beta, start, sizes, **options) -> Case:
    """Binary teacher and student."""
    label = "infinity" if beta == math.inf else f"{beta:g}"
    return Case(
        f"teacher-{alpha:g}-{beta:g}-{start}",
        f"binary teacher and student, alpha = {alpha:g}, beta = {label}, start: {'teacher' if start == 'cold' else 'random'}",
        Model(Teacher(), Gibbs("binary", beta=beta)),
        alpha,
        sizes,
        {"start": start, **options},
    )


def _rule(name, title, data, learner, alpha, sizes, chains) -> Case:
    return Case(name, f"{title}, alpha = {alpha:g}", Model(data, learner), alpha, sizes, {"chains": chains})


def _storage_cases() -> list[Case]:
    return [
        storage("binary", 0.5, 0.5, (2001,), chains=64, sweeps=400),
        storage("binary", 0.5, 1.0, (1001,), chains=64, sweeps=1200),
        storage("binary", 0.5, 2.0, (301,), chains=64, sweeps=3000),
        storage("binary", 1.0, 0.5, (1001,), chains=64, sweeps=800),
        storage("binary", 1.0, 1.0, (501,), chains=128, sweeps=2000),
        storage("binary", 1.0, 2.0, (41, 81, 121), chains=128, sweeps=5000, patterns="gaussian"),
        storage("binary", 2.0, 0.5, (501,), chains=128, sweeps=800),
        storage("binary", 2.0, 1.0, (301,), chains=64, sweeps=6000),
        # close to the freezing at beta = 2.69 flips find no equilibrium in larger systems, and 1/N^2 is visible in those of tens of weights
        storage("binary", 2.0, 2.0, (11, 15, 21, 31, 41), order=2, chains=256, sweeps=6000, patterns="gaussian"),
        storage("spherical", 0.5, 0.5, (1000,), chains=32, sweeps=600),
        storage("spherical", 0.5, 1.0, (500,), chains=64, sweeps=1000),
        storage("spherical", 0.5, 2.0, (200,), chains=64, sweeps=1500),
        storage("spherical", 1.0, 0.5, (500,), chains=64, sweeps=600),
        storage("spherical", 1.0, 1.0, (300,), chains=64, sweeps=2000),
        storage("spherical", 1.0, 2.0, (150,), chains=64, sweeps=3000),
        storage("spherical", 2.0, 0.5, (300,), chains=64, sweeps=1000),
        storage("spherical", 2.0, 1.0, (150,), chains=64, sweeps=3000),
        storage("spherical", 2.0, 2.0, (100,), chains=64, sweeps=4000),
    ]


def _energy_cases() -> list[Case]:
    others = [energy for energy in ENERGIES if energy not in ("errors", "logistic")]
    binary = [energetic("binary", energy, 1.0, 1.0, (301,), chains=64, sweeps=800, exchange=True) for energy in others]
    return binary + [energetic("spherical", energy, 1.0, 1.0, (200,), chains=64, sweeps=1000, exchange=True) for energy in others]


def _cloud_cases() -> list[Case]:
    """Every energy once, and binary weights; errors flip binary weights too seldom to mix."""
    spherical = [clouds("spherical", energy, (200,), chains=64, sweeps=1500) for energy in ENERGIES]
    return [*spherical, *(clouds("binary", energy, (301,), chains=64, sweeps=1500) for energy in ("hinge", "squared-hinge", "logistic"))]


def _student_cases() -> list[Case]:
    return [
        student(0.5, 1.0, "hot", (501,), chains=64, sweeps=1500),
        student(0.5, 1.0, "cold", (501,), chains=64, sweeps=1500),
        student(0.9, 1.0, "hot", (501,), chains=64, sweeps=3000),
        student(0.9, 1.0, "cold", (201,), chains=64, sweeps=6000),
        student(0.5, math.inf, "hot", (31, 51, 71), chains=128, sweeps=5000, patterns="gaussian"),
        student(0.9, 2.0, "hot", (201,), chains=64, sweeps=6000),
    ]


def _rule_cases() -> list[Case]:
    unbalanced = GaussianMixture(positive=0.3)
    return [
        _rule("mixture-logistic", "Gaussian mixture, logistic loss, l2 = 0.1", MIXTURE, ERM("logistic", 0.1), 2.0, (2000,), 24),
        _rule("mixture-square", "Gaussian mixture, square loss, l2 = 1", MIXTURE, ERM("square", 1.0), 1.0, (1000,), 32),
        _rule(
            "mixture-bias",
            "unbalanced mixture, logistic loss with a bias, l2 = 0.1",
            unbalanced,
            ERM("logistic", 0.1, True),
            2.0,
            (1000,),
            32,
        ),
        _rule("mixture-max-margin", "Gaussian mixture, maximum margin", MIXTURE, MaxMargin(), 2.0, (100, 200, 400), 64),
        _rule("teacher-logistic", "teacher, logistic loss, l2 = 0.1", Teacher(), ERM("logistic", 0.1), 2.0, (1000,), 32),
    ]


def _around_teacher(n, **options) -> Case:
    title = "local entropy around the teacher, binary weights, alpha = 0.5"
    return AroundTeacher(
        "around-teacher", title, Model(Teacher(), Gibbs("binary")), 0.5, (n,), options, around={"distance": [0.05, 0.1, 0.2]}
    )


def _around_minimiser(sizes, **options) -> Case:
    title = "local entropy around a logistic minimiser, l2 = 0.1, alpha = 0.5"
    model = Model(MIXTURE, ERM("logistic", 0.1))
    return Around("around-minimiser", title, model, 0.5, sizes, options, around={"overlap": [0.7, 0.8, 0.9]})


def _around_student() -> Case:
    title = "local entropy around weights drawn at beta = 1, random labels, alpha = 0.5"
    model, around = Model(RandomLabels(), Gibbs("binary", beta=1.0)), {"overlap": [0.4, 0.6, 0.8], "beta": 1.0}
    return Around("around-student", title, model, 0.5, (301,), {"chains": 48, "sweeps": 600}, around=around)


def _around_energy() -> Case:
    title = "local entropy by the hinge energy at margin 1/2 around weights drawn by it, beta = 1, random labels, alpha = 0.5"
    model, around = Model(RandomLabels(), Gibbs("binary", 0.5, 1.0, energy="hinge")), {"margin": 0.5, "beta": 1.0, "energy": "hinge"}
    size = {"chains": 32, "sweeps": 300}
    return Around("around-hinge", title, model, 0.5, (201,), size, around={"overlap": [0.4, 0.55, 0.7], **around})


def full_cases() -> list[Case]:
    """The whole list: a quarter of an hour on one thread of a shared machine."""
    around = [
        _around_teacher(201, chains=64, sweeps=2000),
        _around_minimiser((101, 201, 401), chains=48, sweeps=1000),
        _around_student(),
        _around_energy(),
    ]
    return _storage_cases() + _energy_cases() + _cloud_cases() + _student_cases() + _rule_cases() + around


def quick_cases() -> list[Case]:
    """One case of every kind, small: about a minute."""
    return [
        storage("binary", 0.5, 0.5, (501,), chains=32, sweeps=300),
        storage("binary", 1.0, 1.0, (201,), chains=32, sweeps=800),
        storage("spherical", 0.5, 1.0, (200,), chains=32, sweeps=600),
        energetic("binary", "hinge", 0.5, 1.0, (201,), chains=32, sweeps=400, exchange=True),
        energetic("spherical", "squared-hinge", 0.5, 1.0, (150,), chains=32, sweeps=400),
        energetic("spherical", "square", 0.5, 1.0, (150,), chains=32, sweeps=400),
        clouds("spherical", "hinge", (150,), chains=32, sweeps=400),
        student(0.5, 1.0, "hot", (201,), chains=32, sweeps=600),
        student(0.5, 1.0, "cold", (201,), chains=32, sweeps=600),
        _rule("mixture-logistic", "Gaussian mixture, logistic loss, l2 = 0.1", MIXTURE, ERM("logistic", 0.1), 2.0, (400,), 16),
        _around_teacher(201, chains=16, sweeps=400),
        _around_minimiser((151,), chains=16, sweeps=400),
    ]
