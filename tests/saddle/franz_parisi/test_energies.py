"""Local entropies with energies other than counted errors, of the counted weights and of the reference: definitions, limits, identities."""

import math
import warnings

import numpy as np
import pytest
from numpy.polynomial import chebyshev
from scipy.integrate import quad
from scipy.special import log_ndtr

import flatphys as fp
from flatphys.errors import InvalidInput, Unsatisfiable
from flatphys.kernels.channels import CODES
from flatphys.kernels.codes import RANDOM, SPHERICAL, TEACHER, Channel, Labels
from flatphys.model import ENERGIES as EVERY
from flatphys.numerics.quadrature import buffers
from flatphys.saddle.franz_parisi.curve import curve_around
from flatphys.saddle.franz_parisi.explicit import teacher_sums
from flatphys.saddle.franz_parisi.patterns import pattern_sums
from flatphys.saddle.franz_parisi.reference import Reference
from flatphys.saddle.franz_parisi.weights import Conjugates, Overlaps, scratch, weights_part

ENERGIES = [one for one in EVERY if one != "logistic"]  # which knows no margin
SMOOTH = ENERGIES[1:]
COST = {
    "errors": lambda t: 1.0 * (t > 0.0),
    "hinge": lambda t: np.maximum(t, 0.0),
    "squared-hinge": lambda t: 0.5 * np.maximum(t, 0.0) ** 2,
    "square": lambda t: 0.5 * t * t,
}
energies = pytest.mark.parametrize("energy", ENERGIES)
kinds = pytest.mark.parametrize("weights", ("binary", "spherical"))


def state(weights="binary", alpha=0.7, margin=0.2, beta=3.0, energy="hinge", data=None, activation=None):
    network = fp.TreeCommittee(activation) if activation else fp.Perceptron()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fp.solve(fp.Model(data or fp.RandomLabels(), fp.Gibbs(weights, margin, beta, network, energy)), alpha)


def local_entropy(*arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fp.local_entropy(*arguments, **options)


# --- the definition, written out again ----------------------------------------------------------------------------------------
def gauss(low, high, n):
    x, w = np.polynomial.legendre.leggauss(n)
    return 0.5 * (low + high) + 0.5 * (high - low) * x, 0.5 * (high - low) * w


def density(x):
    return np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


def log_f(energy, margin, beta, mean, sigma):
    """log E exp(-beta energy(mean + sigma u)), by sums on both sides of the margin."""
    total = 0.0
    for low, high in ((-12.0, (margin - mean) / sigma), ((margin - mean) / sigma, 12.0)):
        low, high = min(max(low, -12.0), 12.0), min(max(high, -12.0), 12.0)
        for a, b in zip(np.linspace(low, high, 9), np.linspace(low, high, 9)[1:], strict=False):
            u, w = gauss(a, b, 20)
            total += float(w @ (density(u) * np.exp(-beta * COST[energy](margin - mean - sigma * u))))
    return math.log(total)


def pattern_average(reference, counted, qt, q1, p, t):
    """G_E: sums over z, the reference's field with its Boltzmann weight, and eta; reference and counted = (energy, margin, beta)."""
    energy, margin, beta = reference
    centre = chebyshev.chebinterpolate(lambda x: np.array([log_f(*counted, 10.0 * m, math.sqrt(1 - q1)) for m in x]), 120)
    a, b = (p - t) / math.sqrt(1 - qt), math.sqrt(q1 - t * t / qt - (p - t) ** 2 / (1 - qt))
    grid = np.arange(-8.4, 8.41, 0.28)
    total = 0.0
    for z in grid:
        mean, k = math.sqrt(qt) * z, (margin - math.sqrt(qt) * z) / math.sqrt(1 - qt)
        cut = min(max(k, -8.5), 8.5)
        parts = [
            gauss(x, y, 20) for low, high in ((-8.5, cut), (cut, 8.5)) for x, y in zip(*(np.linspace(low, high, 4)[i:][:3] for i in (0, 1)))
        ]
        u, w = (np.concatenate(column) for column in zip(*parts, strict=True))
        w = w * density(u) * np.exp(-beta * COST[energy](margin - mean - math.sqrt(1 - qt) * u))
        field = t / math.sqrt(qt) * z + a * u[:, None] + b * grid[None, :]
        inner = chebyshev.chebval(np.clip(field / 10.0, -1.0, 1.0), centre) @ (0.28 * density(grid))
        total += 0.28 * float(density(z)) * float(w @ inner) / w.sum()
    return total


@pytest.mark.parametrize(
    ("own", "counted"),
    [
        (("hinge", 0.2, 3.0), ("squared-hinge", 0.0, 2.0)),
        (("square", 0.3, 1.0), ("hinge", 0.1, 2.0)),
        (("squared-hinge", 0.0, 4.0), ("errors", 0.0, 1.5)),
    ],
)
def test_the_potential_alone_is_stationary_there_and_its_slope_is_the_slope(own, counted):
    """Spherical: (1/2)[log(1-q1) + (q1-s)/(1-q1)] + alpha G_E at any q1, t, p, by sums that share no code with the solver."""
    alpha, p = 0.7, 0.7
    reference = state("spherical", alpha, own[1], own[2], own[0])
    got = local_entropy(reference, overlap=p, margin=counted[1], beta=counted[2], energy=counted[0])
    qt = reference.q

    def phi(q1, t, p):
        s = (p * p - t * t - qt * (p - t) ** 2 / (1 - qt)) / (1 - qt)
        return 0.5 * (math.log(1 - q1) + (q1 - s) / (1 - q1)) + alpha * pattern_average(own, counted, qt, q1, p, t)

    place = np.array([float(got.q1), float(got.t), p])
    assert phi(*place) == pytest.approx(float(got.free_entropy), abs=1e-10)
    for i, want in enumerate((0.0, 0.0, float(got.slope))):
        step = 1e-3 * np.eye(3)[i]
        assert (phi(*(place + step)) - phi(*(place - step))) / 2e-3 == pytest.approx(want, abs=3e-5), i


# --- identities and limits ----------------------------------------------------------------------------------------------------
@energies
@kinds
@pytest.mark.parametrize("data", [fp.RandomLabels(), fp.Teacher(0.1)], ids=repr)
def test_at_the_references_own_overlap_it_is_the_equilibrium(weights, energy, data):
    """Same energy, margin and beta, p = q: the counted weights are one more equilibrium sample."""
    reference = state(weights, energy=energy, data=data)
    got = local_entropy(reference, overlap=reference.q, margin=0.2, beta=3.0, energy=energy)
    assert float(got.free_entropy) == pytest.approx(reference.free_entropy, abs=1e-12)
    assert float(got.value) == pytest.approx(reference.entropy, abs=1e-12)
    assert float(got.slope) == pytest.approx(0.0, abs=1e-11)
    for name, want in (("q1", reference.q), ("t", reference.q), ("energy", reference.energy), ("train_error", reference.train_error)):
        assert float(getattr(got, name)) == pytest.approx(want, abs=1e-11), name
    assert float(got.at_eigenvalue) == pytest.approx(reference.at_eigenvalue, abs=1e-10)
    if data != fp.RandomLabels():
        assert float(got.R1) == pytest.approx(reference.R, abs=1e-11)


@pytest.mark.parametrize("activation", ["erf", "relu", "sign"])
def test_behind_a_committee_too(activation):
    reference = state(energy="squared-hinge", activation=activation)
    got = local_entropy(reference, overlap=reference.q, margin=0.2, beta=3.0, energy="squared-hinge")
    assert float(got.free_entropy) == pytest.approx(reference.free_entropy, abs=1e-12)
    assert float(got.slope) == pytest.approx(0.0, abs=1e-11)


CASES = {
    "hinge around hinge": (state, {}, ("hinge", 0.0, 4.0)),
    "errors around hinge": (state, {"alpha": 0.4}, ("errors", 0.1, 6.0)),
    "square around squared hinge": (state, {"energy": "squared-hinge"}, ("square", 0.1, 2.0)),
    "errors around square, spherical": (state, {"weights": "spherical", "energy": "square"}, ("errors", 0.0, 2.0)),
    "hinge around solutions": (state, {"alpha": 0.5, "beta": math.inf, "energy": "errors"}, ("hinge", 0.3, 5.0)),
    "squared hinge around the teacher": (
        lambda: fp.teacher_state(fp.Model(fp.Teacher(0.05), fp.Gibbs("binary")), 1.0),
        {},
        ("squared-hinge", 0.2, 5.0),
    ),
    "hinge around a student of hinges": (state, {"data": fp.Teacher(0.1)}, ("hinge", 0.0, 4.0)),
    "square around a spherical student": (
        state,
        {"weights": "spherical", "data": fp.Teacher(), "energy": "squared-hinge"},
        ("square", 0.1, 1.0),
    ),
    "hinge around a ReLU committee": (state, {"activation": "relu", "energy": "square"}, ("hinge", 0.0, 3.0)),
    "cold hinge, close": (state, {"beta": 200.0, "alpha": 0.5}, ("hinge", 0.1, 100.0)),
}
cases = pytest.mark.parametrize("name", CASES)


@cases
@pytest.mark.parametrize("d", [0.01, 0.2])
def test_slope_is_the_derivative(name, d):
    make, options, (energy, margin, beta) = CASES[name]
    h = 1e-3 * d
    places = [d - 2 * h, d - h, d, d + h, d + 2 * h]
    got = local_entropy(make(**options), distance=places, margin=margin, beta=beta, energy=energy)
    f = got.free_entropy
    assert got.status.tolist() == ["ok"] * 5
    assert got.slope[2] == pytest.approx((f[0] - 8 * f[1] + 8 * f[3] - f[4]) / (12 * h) / -2.0, rel=1e-7, abs=1e-8)
    assert (got.residual < 1e-11).all() and (got.quadrature_error < 1e-10).all()


@cases
def test_the_energy_is_minus_the_derivative_with_respect_to_beta(name):
    make, options, (energy, margin, _) = CASES[name]
    reference, beta, h = make(**options), 2.0, 1e-3
    low, mid, high = (local_entropy(reference, distance=0.15, margin=margin, beta=b, energy=energy) for b in (beta - h, beta, beta + h))
    assert float(mid.energy) == pytest.approx(-(float(high.free_entropy) - float(low.free_entropy)) / (2 * h), rel=1e-5)
    assert float(mid.energy) == pytest.approx(reference.alpha * float(mid.train_loss), rel=1e-14)
    assert float(mid.value) == pytest.approx(float(mid.free_entropy) + beta * float(mid.energy), rel=1e-14)


@cases
def test_free_entropy_is_stationary_in_the_conjugates(name):
    """A relative change of eps in any conjugate changes phi, with the overlaps that belong to it, by O(eps^2)."""
    make, options, (energy, margin, beta) = CASES[name]
    curve = curve_around(make(**options), Channel(CODES[energy], margin, beta))
    point, equations = curve.at(0.15), curve.equations
    at = curve.free_entropy(point)
    for i in equations.active:
        for eps in (1e-4, -1e-4):
            x = point.x.copy()
            x[i] *= 1.0 + eps
            weights = weights_part(equations.ref, 0.15, Conjugates(*x), point.field, 0, scratch())
            patterns = equations.patterns(equations.seen(0.15, weights).overlaps, weights, 0)
            assert abs(equations.free_entropy(weights, patterns) - at) < 3e-7 * (1.0 + abs(at))


@pytest.mark.parametrize("energy", ["hinge", "squared-hinge"])
@kinds
def test_cold_weights_around_cold_references_are_solutions_around_solutions(weights, energy):
    """Violations of a hinge cost a volume of order 1/beta, of its square 1/sqrt(beta)."""
    beta = 1e6 if energy == "hinge" else 1e11
    cold = local_entropy(state(weights, 0.4, 0.2, beta, energy), distance=[0.05, 0.3], margin=0.1, beta=beta, energy=energy)
    hard = local_entropy(state(weights, 0.4, 0.2, math.inf, "errors"), distance=[0.05, 0.3], margin=0.1)
    for name, size in (("value", 2e-5), ("slope", 2e-4), ("q1", 2e-5), ("t", 2e-5)):
        np.testing.assert_allclose(getattr(cold, name), getattr(hard, name), atol=size, err_msg=name)


@pytest.mark.parametrize("energy", ["hinge", "squared-hinge"])
def test_at_infinite_beta_every_energy_with_a_flat_side_is_the_hard_constraint(energy):
    reference = state(alpha=0.4)
    one, other = (local_entropy(reference, distance=[0.05, 0.3], energy=e) for e in ("errors", energy))
    np.testing.assert_array_equal(one.value, other.value)
    np.testing.assert_array_equal(
        local_entropy(state(alpha=0.4, beta=math.inf, energy=energy), distance=0.2).slope,
        local_entropy(state(alpha=0.4, beta=math.inf, energy="errors"), distance=0.2).slope,
    )


@energies
def test_hot_weights_cost_what_a_gaussian_field_costs(energy):
    """beta -> 0 around the teacher: fields p u + sqrt(1-p^2) e, u > 0, by quadrature."""
    p = np.array([-0.6, 0.3, 0.9])
    got = local_entropy(
        fp.teacher_state(fp.Model(fp.Teacher(), fp.Gibbs("spherical")), 1.0), overlap=p, beta=1e-9, margin=0.4, energy=energy
    )
    np.testing.assert_allclose(got.value, 0.5 * np.log(1 - p * p), rtol=1e-8)
    for i, q in enumerate(p):
        want, root = 0.0, math.sqrt(1 - q * q)
        for a, b in zip(*gauss(0.0, 9.0, 80), strict=True):
            cut = min(max((0.4 - q * a) / root, -9.0), 9.0)
            for x, w in (gauss(-9.0, cut, 60), gauss(cut, 9.0, 60)):
                want += 2 * b * density(a) * (w @ (density(x) * COST[energy](0.4 - q * a - root * x)))
        assert got.train_loss[i] == pytest.approx(want, rel=1e-7)


@pytest.mark.parametrize("energy", SMOOTH)
@kinds
def test_without_patterns_it_is_the_volume_of_the_shell(weights, energy):
    """And to first order in alpha the average of log f over one pattern with the reference's Boltzmann weight."""
    alpha, beta, margin = 1e-8, 3.0, 0.1
    d = np.array([1e-3, 0.02, 0.2, 0.6, 0.95])
    got = local_entropy(state(weights, alpha, 0.2, 2.0, energy), distance=d, margin=margin, beta=beta, energy="hinge")
    for i, x in enumerate(d):
        p, width = 1 - 2 * x, 2 * math.sqrt(x * (1 - x))

        def weight(u):
            return float(density(u) * np.exp(-2.0 * COST[energy](0.2 - u)))

        def weighted(u, p=p, width=width):
            x, c = (margin - p * u) / width, beta * width
            return weight(u) * np.logaddexp(log_ndtr(-x), c * (0.5 * c - x) + log_ndtr(x - c))  # hinge

        cuts = (-9.0, -2.0, 0.2, 0.6, 2.0, 9.0)
        first, norm = (sum(quad(f, a, b, epsabs=1e-10)[0] for a, b in zip(cuts, cuts[1:], strict=False)) for f in (weighted, weight))
        zero = -x * math.log(x) - (1 - x) * math.log1p(-x) if weights == "binary" else 0.5 * math.log(4 * x * (1 - x))
        assert (got.free_entropy[i] - zero) / alpha == pytest.approx(first / norm, rel=2e-6, abs=2e-7)


@pytest.mark.parametrize("energy", SMOOTH)
@pytest.mark.parametrize("beta_ref", [2.0, 300.0])
@pytest.mark.parametrize(
    "p, v, big_b", [(0.6, 0.4, 0.1), (0.98, 0.03, 6e-3), (0.98, 0.0385, 1e-7), (0.98, 0.0385, 1e-17), (-0.7, 0.3, 0.15)]
)
def test_two_representations_agree_across_the_seam(p, v, big_b, beta_ref, energy):
    """(z, m) against the explicit (z, u, eta), down to B = 0, where a likelihood keeps its kink; the slope in both forms."""
    qt = 0.4
    d = math.sqrt(max(1 - p * p - v - big_b, 0.0))
    a_u = p * math.sqrt(1 - qt) - d * math.sqrt(qt)
    ref = Reference(SPHERICAL, Labels(RANDOM, 0.0), Channel(CODES[energy], 0.3, beta_ref), qt, 1 - qt, 1.0, 0.0, qt, 0.0)
    unknown = ref._replace(labels=Labels(TEACHER, 0.05))  # a teacher that nobody knows is no teacher
    counted, overlaps = Channel(CODES["squared-hinge"], 0.1, 3.0), Overlaps(p, v, a_u, d, big_b, 0.0, 1.0)
    two, fine = (pattern_sums(ref, counted, overlaps, level, buffers(0), buffers(1)) for level in (0, 1))
    three, finest = (teacher_sums(unknown, counted, overlaps, level, buffers(0), buffers(1), scratch()) for level in (0, 1))
    for name in ("aa", "ar", "log_f", "bb", "response"):
        np.testing.assert_allclose([getattr(x, name) for x in (three, fine, finest)], getattr(two, name), rtol=1e-11, err_msg=name)
    np.testing.assert_allclose((fine.share, fine.loss), (finest.share, finest.loss), rtol=1e-11)


# --- what is refused ----------------------------------------------------------------------------------------------------------
def test_the_square_cannot_be_met_without_a_temperature():
    with pytest.raises(Unsatisfiable, match="finite beta"):
        local_entropy(state(), distance=0.2, energy="square")


def test_unknown_energies_are_refused_by_name():
    with pytest.raises(InvalidInput, match="energy must be .*'exponential'"):
        local_entropy(state(), distance=0.2, energy="exponential")
    assert local_entropy(state(), distance=0.2, beta=1.0, energy="squared_hinge").cost == "squared-hinge"
