"""The equations of the local entropy: limits, identities, two representations, stationarity, enumeration."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.integrate import quad
from scipy.special import log_ndtr, ndtr

import flatphys as fp
from flatphys.errors import NotConverged
from flatphys.kernels.codes import BINARY, ERRORS, RANDOM, SPHERICAL, TEACHER, Channel, Labels
from flatphys.numerics.quadrature import buffers
from flatphys.observables.local_entropy import local_entropy
from flatphys.saddle.franz_parisi.curve import curve_around
from flatphys.saddle.franz_parisi.explicit import teacher_sums
from flatphys.saddle.franz_parisi.label import half_line
from flatphys.saddle.franz_parisi.patterns import pattern_sums
from flatphys.saddle.franz_parisi.point import Equations, solve
from flatphys.saddle.franz_parisi.reference import Reference, reference_of, teacher_state
from flatphys.saddle.franz_parisi.weights import Conjugates, Overlaps, scratch, weights_part

KINDS = ("binary", "spherical")


def state(weights="binary", alpha=0.5, margin=0.0, beta=math.inf, data=None, activation=None):
    network = fp.TreeCommittee(activation) if activation else fp.Perceptron()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fp.solve(fp.Model(data or fp.RandomLabels(), fp.Gibbs(weights, margin, beta, network=network)), alpha)


def without_patterns(weights, d):
    return -d * math.log(d) - (1 - d) * math.log(1 - d) if weights == "binary" else 0.5 * math.log(4 * d * (1 - d))


@pytest.mark.parametrize("weights", KINDS)
@pytest.mark.parametrize("beta", [math.inf, 2.0])
def test_without_patterns_it_is_the_volume_of_the_shell(weights, beta):
    """And to first order in alpha the average of log f over one pattern that the reference has learnt."""
    alpha, margin = 1e-8, 0.2
    d = np.array([1e-3, 0.01, 0.1, 0.3, 0.6, 0.9, 0.999])
    got = local_entropy(state(weights, alpha, 0.1), distance=d, margin=margin, beta=beta)
    assert got.status.tolist() == ["ok"] * d.size
    for i, x in enumerate(d):
        p, width = 1 - 2 * x, 2 * math.sqrt(x * (1 - x))

        def weighted(u, p=p, width=width):
            log_h = log_ndtr(-(margin - p * u) / width)
            log_f = log_h if beta == math.inf else np.logaddexp(-beta, math.log(-math.expm1(-beta)) + log_h)
            return math.exp(-0.5 * u * u) * log_f

        first = sum(quad(weighted, a, b, epsabs=1e-12)[0] for a, b in ((0.1, 0.25), (0.25, 0.6), (0.6, 2.0), (2.0, 12.0)))
        first /= math.sqrt(2 * math.pi) * ndtr(-0.1)
        assert got.free_entropy[i] == pytest.approx(
            without_patterns(weights, x) + alpha * first, abs=3e-15 + 10 * (alpha * first) ** 2, rel=1e-15
        )


@given(weights=st.sampled_from(KINDS), alpha=st.floats(0.1, 0.75), margin=st.floats(-0.3, 0.15), beta=st.sampled_from([math.inf, 1.0, 6.0]))
@settings(max_examples=12)
def test_at_the_references_own_overlap_it_is_the_equilibrium(weights, alpha, margin, beta):
    """kappa = kappa_ref, beta = beta_ref, p = q: the counted weights are one more equilibrium sample."""
    reference = state(weights, alpha, margin, beta)
    got = local_entropy(reference, overlap=reference.q, margin=margin, beta=beta)
    assert float(got.free_entropy) == pytest.approx(reference.free_entropy, abs=1e-11)
    assert float(got.slope) == pytest.approx(0.0, abs=1e-9)
    assert float(got.q1) == pytest.approx(reference.q, abs=1e-10)
    assert float(got.t) == pytest.approx(reference.q, abs=1e-10)
    assert float(got.train_error) == pytest.approx(reference.train_error, abs=1e-10)
    assert float(got.at_eigenvalue) == pytest.approx(reference.at_eigenvalue, abs=1e-8)


def test_a_student_of_a_teacher_is_in_equilibrium_at_its_own_overlap():
    reference = state("binary", 0.6, 0.2, data=fp.Teacher())
    got = local_entropy(reference, overlap=reference.q + np.array([-1e-3, 0.0, 1e-3]), margin=0.2)
    assert got.value[1] == pytest.approx(reference.entropy, abs=1e-10)
    assert got.R1[1] == pytest.approx(reference.R, abs=1e-8)
    assert got.slope[1] == pytest.approx(0.0, abs=1e-7)
    assert got.value[1] == pytest.approx(0.5 * (got.value[0] + got.value[2]), abs=1e-5)


CASES = {
    "binary": (state, ("binary", 0.5), 0.0, math.inf),
    "binary, reference of larger margin": (state, ("binary", 0.5, 0.3), 0.0, math.inf),
    "binary, counted margin larger": (state, ("binary", 0.3, 0.0), 0.2, math.inf),
    "spherical": (state, ("spherical", 1.2, 0.1), 0.0, math.inf),
    "finite beta on both sides": (state, ("binary", 0.8, 0.0, 3.0), 0.1, 1.5),
    "finite beta of the reference": (state, ("spherical", 1.0, 0.0, 4.0), 0.0, 6.0),
    "teacher": (lambda w: teacher_state(fp.Model(fp.Teacher(0.05), fp.Gibbs(w)), 1.0), ("binary",), 0.0, 3.0),
    "student": (state, ("binary", 0.5, 0.25, math.inf, fp.Teacher()), 0.0, math.inf),
    "spherical student, noisy teacher": (state, ("spherical", 1.0, 0.1, 2.0, fp.Teacher(0.1)), 0.0, 2.5),
    "sign committee": (state, ("binary", 0.5, 0.2, math.inf, None, "sign"), 0.0, math.inf),
    "spherical sign committee, counted margin larger": (state, ("spherical", 0.8, 0.0, math.inf, None, "sign"), 0.2, math.inf),
    "ReLU committee": (state, ("binary", 0.7, 0.0, math.inf, None, "relu"), 0.0, math.inf),
    "ReLU committee, finite beta on both sides": (state, ("spherical", 1.0, 0.1, 4.0, None, "relu"), 0.0, 3.0),
    "erf committee, finite beta of both": (state, ("binary", 0.7, 0.0, 3.0, None, "erf"), 0.1, 4.0),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("d", [0.04, 0.2, 0.4])
def test_slope_is_the_derivative(name, d):
    make, arguments, margin, beta = CASES[name]
    reference = make(*arguments)
    h = 1e-3 * d
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        got = local_entropy(reference, distance=[d - 2 * h, d - h, d, d + h, d + 2 * h], margin=margin, beta=beta)
    f = got.free_entropy
    numeric = (f[0] - 8 * f[1] + 8 * f[3] - f[4]) / (12 * h) / -2.0
    assert got.slope[2] == pytest.approx(numeric, rel=1e-7, abs=1e-8)
    assert (got.residual < 1e-11).all() and (got.quadrature_error < 1e-10).all()


@pytest.mark.parametrize("name", CASES)
def test_train_error_is_the_derivative_with_respect_to_beta(name):
    make, arguments, margin, beta = CASES[name]
    reference, beta, h = make(*arguments), 2.0, 1e-3
    low, mid, high = (local_entropy(reference, distance=0.15, margin=margin, beta=b) for b in (beta - h, beta, beta + h))
    numeric = -(float(high.free_entropy) - float(low.free_entropy)) / (2 * h) / reference.alpha
    assert float(mid.train_error) == pytest.approx(numeric, rel=1e-5)
    assert float(mid.value) == pytest.approx(float(mid.free_entropy) + beta * float(mid.energy), rel=1e-14)


@pytest.mark.parametrize("name", CASES)
def test_free_entropy_is_stationary_in_the_conjugates(name):
    """A relative change of eps in any conjugate changes phi, with the overlaps that belong to it, by O(eps^2)."""
    make, arguments, margin, beta = CASES[name]
    curve = curve_around(make(*arguments), Channel(ERRORS, margin, beta))
    point, equations = curve.at(0.15), curve.equations
    at = curve.free_entropy(point)
    for i in equations.active:
        for eps in (1e-4, -1e-4):
            x = point.x.copy()
            x[i] *= 1.0 + eps
            # phi is stationary at fixed conjugates in the patterns' part: use the pair (conjugates, their overlaps)
            weights = weights_part(equations.ref, 0.15, Conjugates(*x), point.field, 0, scratch())
            patterns = equations.patterns(equations.seen(0.15, weights).overlaps, weights, 0)
            assert abs(equations.free_entropy(weights, patterns) - at) < 3e-7 * (1.0 + abs(at))


@pytest.mark.parametrize("weights", KINDS)
def test_teacher_and_gibbs_student_are_the_same_reference(weights):
    """Nishimori: at margin 0 the teacher is one more sample of the posterior."""
    model = fp.Model(fp.Teacher(), fp.Gibbs(weights))
    d = [0.02, 0.1, 0.3]
    a = local_entropy(teacher_state(model, 0.8), distance=d)
    b = local_entropy(fp.solve(model, 0.8), distance=d)
    for name in ("value", "slope", "q1", "at_eigenvalue"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-9, err_msg=name)
    np.testing.assert_allclose(b.t, b.R1, rtol=1e-9)  # the other reference could be the teacher


def test_a_noisy_teacher_and_its_posterior_are_the_same_reference():
    flip = 0.1
    model = fp.Model(fp.Teacher(flip), fp.Gibbs("spherical", beta=math.log((1 - flip) / flip)))
    a = local_entropy(teacher_state(model, 1.0), distance=[0.1, 0.3], beta=2.0)
    b = local_entropy(fp.solve(model, 1.0), distance=[0.1, 0.3], beta=2.0)
    np.testing.assert_allclose(a.free_entropy, b.free_entropy, rtol=1e-9)
    np.testing.assert_allclose(a.train_error, b.train_error, rtol=1e-9)


@pytest.mark.parametrize("beta_ref", [math.inf, 2.0])
@pytest.mark.parametrize("beta", [math.inf, 3.0])
@pytest.mark.parametrize(
    "p, v, big_b",
    [
        (0.6, 0.4, 0.1),
        (0.9, 0.15, 0.03),
        (0.98, 0.03, 6e-3),
        (0.98, 0.0385, 1e-4),
        (0.98, 0.0385, 1e-7),
        (0.98, 0.0385, 1e-12),
        (0.98, 0.0385, 1e-17),
        (-0.7, 0.3, 0.15),
    ],
)
@pytest.mark.parametrize("rho", [None, 0.0, 0.1, 0.25])
def test_two_representations_agree_across_the_seam(p, v, big_b, beta, beta_ref, rho):
    """(z, m) with one or the other rule along m against the explicit (z, u, eta), down to B = 0; with a teacher, too."""
    qt, r = 0.4, 0.0 if rho is None else 0.35
    rho = rho or 0.0
    d = math.sqrt(max(1 - p * p - v - big_b, 0.0))
    a_u = p * math.sqrt(1 - qt) - d * math.sqrt(qt)
    v0 = 1 - r * r / qt - rho * rho
    ref = Reference(BINARY, Labels(TEACHER, 0.05), Channel(ERRORS, 0.3, beta_ref), qt, 1 - qt, 1.0, r, qt - r * r, 0.0)
    counted, overlaps = Channel(ERRORS, 0.1, beta), Overlaps(p, v, a_u, d, big_b, rho * math.sqrt(big_b), v0)
    two = pattern_sums(ref, counted, overlaps, 0, buffers(0), buffers(1))
    three = teacher_sums(ref, counted, overlaps, 0, buffers(0), buffers(1), scratch())
    fine = pattern_sums(ref, counted, overlaps, 1, buffers(0), buffers(1))
    finest = teacher_sums(ref, counted, overlaps, 1, buffers(0), buffers(1), scratch())
    for name in ("aa", "ar", "log_f", "bb", "turned"):
        np.testing.assert_allclose([getattr(x, name) for x in (three, fine, finest)], getattr(two, name), rtol=3e-12, err_msg=name)
    np.testing.assert_allclose(fine.share, finest.share, rtol=3e-12)
    if r == 0.0 and rho == 0.0:  # a teacher that nobody knows is no teacher
        plain = ref._replace(labels=Labels(RANDOM, 0.0))
        np.testing.assert_allclose(pattern_sums(plain, counted, overlaps, 1, buffers(0), buffers(1))[:5], fine[:5], rtol=3e-12)


@pytest.mark.parametrize("gamma", [0.0, 1e-3, 0.1, -0.3])
@pytest.mark.parametrize("e0", [-30.0, -3.0, 0.0, 1.9, 2.1, 6.0, 60.0])
@pytest.mark.parametrize("alpha", [-6.0, 0.0, 2.0, 7.0])
def test_the_teachers_share_is_its_definition(e0, alpha, gamma):
    def average(function):
        return quad(
            lambda e: function(alpha - gamma * e) * math.exp(-0.5 * (e * e - max(e0, 0.0) ** 2)),
            max(e0, -15.0),
            e0 + 45.0,
            epsabs=0,
            epsrel=1e-12,
            limit=300,
            points=[max(e0, -15.0) + 1.0, max(e0, 0.0) + 3.0],
        )[0] / math.sqrt(2 * math.pi)

    i0, j_sum, k_sum = half_line(e0, alpha, gamma)
    assert i0 == pytest.approx(average(lambda y: 1.0), rel=1e-11)
    assert j_sum == pytest.approx(average(ndtr), rel=1e-10, abs=1e-16)
    assert k_sum == pytest.approx(average(lambda y: math.exp(-0.5 * y * y) / math.sqrt(2 * math.pi)), rel=1e-10, abs=1e-16)


@pytest.mark.parametrize("r_hat, kind", [(0.0, RANDOM), (0.7, TEACHER)])
def test_binary_overlaps_are_their_definitions(r_hat, kind):
    """Against a plain sum over (z, eta, s)."""
    qt_hat, a, b2, r1_hat, distance = 1.3, 0.8, 0.6, 0.4 if kind == TEACHER else 0.0, 0.1
    z = np.arange(-10, 10, 0.05)
    w = np.exp(-0.5 * z * z) * 0.05 / math.sqrt(2 * math.pi)
    zeta = math.sqrt(qt_hat) * z + r_hat
    tau = np.tanh(zeta)
    qt, r = w @ tau**2, (w @ tau if kind == TEACHER else 0.0)
    ref = Reference(BINARY, Labels(kind, 0.0), Channel(ERRORS, 0.0, math.inf), qt, 1 - qt, qt_hat, r, qt - r * r, r_hat)
    found = weights_part(ref, distance, Conjugates(a, b2, r1_hat), 1.0, 0, scratch())
    (_, v, a_u, d, big_b, c, v0), r1, field, entropic, t4 = found
    p = q1 = t = overlap = logz = quartic = 0.0
    for s in (1, -1):
        weight = (w * np.exp(s * zeta) / (2 * np.cosh(zeta)))[:, None] * w[None, :]
        h = a * z[:, None] + math.sqrt(b2) * z[None, :] + r1_hat + s * field
        m = np.tanh(h)
        p += s * (weight * m).sum()
        q1 += (weight * m * m).sum()
        t += (weight * m * tau[:, None]).sum()
        overlap += (weight * m).sum()
        logz += (weight * np.log(2 * np.cosh(h))).sum()
        quartic += (weight * (1 - m * m) ** 2).sum()
    assert p == pytest.approx(0.8, abs=1e-12)
    assert v == pytest.approx(1 - q1, abs=1e-12)
    assert a_u == pytest.approx((p - t) / math.sqrt(1 - qt), abs=1e-12)
    assert d == pytest.approx((t - qt * p) / math.sqrt(qt * (1 - qt)), abs=1e-12)
    assert v + d * d + big_b == pytest.approx(1 - 0.64, abs=1e-12)
    assert t4 == pytest.approx(quartic, abs=1e-12)
    t_hat = a * math.sqrt(qt_hat)
    want = -(field + t_hat) * p + t_hat * t - 0.5 * (a * a + b2) * v - r1_hat * (overlap if kind == TEACHER else 0.0) + logz
    assert entropic == pytest.approx(want, abs=1e-12)
    if kind == TEACHER:
        assert r1 == pytest.approx(overlap, abs=1e-12)
        assert c == pytest.approx(overlap - t * r / qt, abs=1e-12)
        assert v0 == pytest.approx(1 - r * r / qt - c * c / big_b, abs=1e-10)


def test_steep_fields_are_summed_on_panels_as_precisely():
    """The panels that follow tanh h at large b^2 agree with the trapezoid sum just before them."""
    ref = Reference(BINARY, Labels(RANDOM, 0.0), Channel(ERRORS, 0.0, math.inf), 0.4, 0.6, 0.7, 0.0, 0.4, 0.0)
    for b2 in (30.0, 300.0, 3e4):
        for field in (0.0, 5.0):  # whatever the guess
            rough, fine = (weights_part(ref, 0.05, Conjugates(3.0, b2, 0.0), field, level, scratch()) for level in (0, 1))
            np.testing.assert_allclose((*rough.overlaps, *rough[1:]), (*fine.overlaps, *fine[1:]), rtol=1e-11, atol=1e-13)


def test_spherical_volume_closes_where_the_constraint_cannot_be_met():
    """Counting at a larger margin than the reference's: nothing at small distance; status "unsat", no hanging."""
    got = local_entropy(state("spherical", 0.5), overlap=[0.5, 0.99, 0.999, 0.9999], margin=0.3)
    assert got.status.tolist() == ["ok", "ok", "unsat", "unsat"]
    assert np.isnan(got.value[2:]).all()


def test_typical_binary_solutions_are_isolated():
    """kappa = kappa_ref: the saddle disappears below a small distance (Huang & Kabashima 2014)."""
    with pytest.warns(fp.errors.NegativeEntropyWarning):
        got = local_entropy(state("binary", 0.8), distance=[1e-3, 0.003, 0.01, 0.3])
    assert got.status.tolist() == ["no_solution", "no_solution", "ok", "ok"]


def test_around_larger_margins_it_exists_down_to_the_smallest_distances():
    got = local_entropy(state("binary", 0.5, 0.3), distance=[1e-4, 1e-3])
    assert got.status.tolist() == ["ok", "ok"]
    np.testing.assert_allclose(got.value, [without_patterns("binary", d) for d in (1e-4, 1e-3)], rtol=1e-3)


def test_a_start_that_cannot_be_solved_says_so(monkeypatch):
    import flatphys.saddle.franz_parisi.start as module

    def never(equations, distance, x, field, *args, **kwargs):
        point = solve(equations, distance, x, field)
        point.residual = 0.5
        return point

    monkeypatch.setattr(module, "solve", never)
    with pytest.raises(NotConverged, match="residual"):  # counted otherwise than the references: their own distance tells nothing
        curve_around(state(), Channel(ERRORS, 0.1, math.inf))


def test_evaluations_are_counted():
    reference, net = reference_of(state())
    equations = Equations(reference, 0.5, Channel(ERRORS, 0.0, math.inf), net)
    solve(equations, 0.25, np.array([0.3, 0.1, 0.0]), 0.5)
    assert equations.budget.spent > 1000 and 3 <= equations.iterations < 40


def _enumerated(n, p_patterns, flips, samples, seed):
    """Mean log fraction of the shell at `flips` flips around a random solution that solves all patterns, and its error."""
    from itertools import combinations

    rng = np.random.default_rng(seed)
    shell = np.ones((math.comb(n, flips), n), dtype=np.float32)
    for i, places in enumerate(combinations(range(n), flips)):
        shell[i, list(places)] = -1.0
    logs = []
    while len(logs) < samples:
        x = rng.normal(size=(p_patterns, n)).astype(np.float32)
        x[x.sum(axis=1) < 0.0] *= -1.0  # gauge: the reference is all ones; a pattern's sign is its label
        logs.append(math.log(max(float((x @ shell.T > 0.0).all(axis=0).mean()), 1e-9)))
    return np.mean(logs), np.std(logs) / math.sqrt(samples)


@pytest.mark.parametrize("flips", [2, 4])
def test_enumeration_of_small_systems_extrapolates_to_it(flips):
    """Around a planted reference (= the teacher, Nishimori) at N = 10 and 20, with the 1/N correction removed.

    The fraction of the shell that survives has corrections O(1/N); its logarithm is per weight.
    """
    alpha = 0.4
    small, e_small = _enumerated(10, 4, flips // 2, 1000, 1)
    large, e_large = _enumerated(20, 8, flips, 400, 2)
    d = flips / 20
    want = float(local_entropy(teacher_state(fp.Model(fp.Teacher(), fp.Gibbs("binary")), alpha), distance=d).value) - without_patterns(
        "binary", d
    )
    got = 2 * large / 20 - small / 10
    error = math.hypot(2 * e_large / 20, e_small / 10)
    assert abs(got - want) < 4 * error + 0.01  # 0.01: the next order in 1/N


def test_a_student_close_to_its_teacher_is_followed_through():
    """q = 0.993: the reference's fields reach 50 standard deviations beyond their edge."""
    got = local_entropy(state("spherical", 3.0, 0.3, data=fp.Teacher()), distance=np.geomspace(0.002, 0.15, 12))
    assert (got.status == "ok").all()
    assert (got.residual < 1e-11).all() and (got.quadrature_error < 1e-10).all()


def test_beyond_capacity_there_is_nothing_to_count_anywhere():
    """References of high temperature exist at every load; hard constraints do not."""
    for weights, alpha, status in (("binary", 1.2, "no_solution"), ("spherical", 2.5, "unsat")):
        got = local_entropy(state(weights, alpha, 0.1, 0.5), distance=[0.01, 0.25, 0.5], margin=0.1)
        assert got.status.tolist() == [status] * 3


def test_far_out_edges_are_seen_by_the_panels():
    """q close to 1 and little correlation of M with u: the edge is met far out on its forbidden side (a bug once)."""
    qt, p, v, d, big_b, a_u = 0.97, 0.714, 0.0211, 0.333, 0.358, -0.206
    hard = Channel(ERRORS, 0.0, math.inf)
    ref = Reference(SPHERICAL, Labels(TEACHER, 0.0), hard, qt, 1 - qt, 1.0, 0.0, qt, 0.0)
    for width in (v, 0.9 * v, 0.5 * v):
        overlaps = Overlaps(p, width, a_u, d, big_b, 0.0, 1.0)
        two = pattern_sums(ref, hard, overlaps, 0, buffers(0), buffers(1))
        three = teacher_sums(ref, hard, overlaps, 0, buffers(0), buffers(1), scratch())
        for name in ("aa", "ar", "log_f", "bb", "turned"):
            assert getattr(two, name) == pytest.approx(getattr(three, name), rel=1e-11), name


def test_near_capacity_only_the_surroundings_of_the_reference_have_room():
    """Nothing at d = 1/4, where curves usually start: they then start at the reference's own overlap."""
    reference = state("spherical", 1.9)
    got = local_entropy(reference, overlap=[0.3, 0.5, reference.q, 0.99, 0.999])
    assert got.status.tolist() == ["unsat", "unsat", "ok", "ok", "ok"]
    assert got.value[2] == pytest.approx(reference.entropy, abs=1e-10)


def evaluated(reference, d, margin=0.0, beta=math.inf):
    """(what is read at d, evaluations of the integrand from nothing)."""
    solver = curve_around(reference, Channel(ERRORS, margin, beta), near=d)
    point = solver.at(d)
    return None if point is None else solver.read(point), solver.equations.budget.spent


def test_next_to_the_teacher_nodes_are_graded_towards_the_turn_of_its_sign():
    reference = fp.solve(fp.Model(fp.Teacher(), fp.Gibbs("binary", -0.08)), 1.59)
    assert reference.q > 0.99
    low, here, high = (evaluated(reference, d, -0.15) for d in (0.0600001, 0.06, 0.0599999))
    assert here[1] < 500_000
    assert here[0]["slope"] == pytest.approx((high[0]["free_entropy"] - low[0]["free_entropy"]) / 4e-7, abs=1e-6)


@pytest.mark.parametrize("alpha", [4.0, 15.0, 60.0])
def test_a_student_at_its_own_overlap_costs_little_at_any_load(alpha):
    reference = fp.solve(fp.Model(fp.Teacher(), fp.Gibbs("spherical")), alpha)
    found, evaluations = evaluated(reference, 0.5 * reference.one_minus_q)
    assert found["value"] == pytest.approx(reference.entropy, rel=1e-12)
    assert evaluations < 1_600_000


def test_a_constraint_with_next_to_no_effect_leaves_the_volume():
    reference = fp.solve(fp.Model(fp.Teacher(), fp.Gibbs("spherical", -0.05)), 0.07)
    for d in (0.02, 0.3):
        found, evaluations = evaluated(reference, d, beta=3e-8)
        assert found["value"] == pytest.approx(without_patterns("spherical", d), abs=1e-8)
        assert evaluations < 300_000


def test_a_point_that_costs_too_much_says_that_it_is_out_of_reach():
    reference = fp.solve(fp.Model(fp.Teacher(), fp.Gibbs("spherical")), 400.0)
    with pytest.raises(NotConverged, match=r"out of reach: 2.5e\+06 evaluations .* count nearer to"):
        evaluated(reference, 0.3)


@pytest.mark.parametrize("weights", KINDS)
def test_no_count_exceeds_all_there_is(weights):
    solver = curve_around(state(weights, 0.4), Channel(ERRORS, 0.0, 2.0))
    point = solver.at(0.2)
    assert solver.volume(0.2) == pytest.approx(without_patterns(weights, 0.2), rel=1e-14)
    solver.volume = lambda distance: -5.0
    with pytest.raises(NotConverged, match="more than the -5 of all weights there"):
        solver.read(point)


def test_references_that_are_next_to_random_weights_tend_to_a_limit():
    """q -> 0: a reference whose own constraint has next to no effect drops out, at whatever rate q vanishes."""
    values = []
    for beta in (1.0, 1e-2, 1e-3):
        reference = state("binary", 0.3, -5.0, beta)
        assert reference.q < 1e-12
        values.append(local_entropy(reference, overlap=-0.3, margin=0.3, beta=2.0).free_entropy.item())
    assert max(values) - min(values) < 1e-7


def test_a_single_sum_of_too_many_terms_is_given_up():
    """Cold next to a clean teacher and hot references at once: three nested sums of thousands of nodes each."""
    reference = fp.solve(fp.Model(fp.Teacher(6e-6), fp.Gibbs("spherical", 2.4, 7e-5)), 2e4)
    with pytest.raises(NotConverged, match="out of reach: 2.5e"):
        evaluated(reference, 0.37, 0.24)
