"""The law of training stabilities: normalised, consistent with the state, and the law of what it says is drawn."""

import json
import math
import pathlib
import warnings

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.special import log_ndtr, ndtr, ndtri

import flatphys as fp
from flatphys.errors import InvalidInput, NotConverged

RECORDS = [json.loads(line) for line in (pathlib.Path(__file__).parents[2] / "data" / "equilibrium.jsonl").read_text().splitlines()]
RANDOM, CLEAN, NOISY = fp.RandomLabels(), fp.Teacher(), fp.Teacher(0.1)


def quiet_solve(model, alpha, ground=False):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fp.ground_state(model, alpha) if ground else fp.solve(model, alpha)


STATES = {
    "random, binary, hard": (fp.Model(RANDOM, fp.Gibbs("binary", 0.4)), 0.5),
    "random, binary, beta 2": (fp.Model(RANDOM, fp.Gibbs("binary", 0.0, 2.0)), 2.0),
    "random, spherical, beta 20": (fp.Model(RANDOM, fp.Gibbs("spherical", 0.0, 20.0)), 3.0),
    "random, spherical, near capacity": (fp.Model(RANDOM, fp.Gibbs("spherical", 0.0)), 1.99),
    "random, spherical, negative margin": (fp.Model(RANDOM, fp.Gibbs("spherical", -1.0, 3.0)), 5.0),
    "teacher, binary, hard": (fp.Model(CLEAN, fp.Gibbs("binary")), 1.0),
    "teacher, spherical, margin": (fp.Model(CLEAN, fp.Gibbs("spherical", 0.5)), 1.0),
    "noisy teacher, binary": (fp.Model(NOISY, fp.Gibbs("binary", 0.2, 2.0)), 1.5),
    "noisy teacher, spherical": (fp.Model(NOISY, fp.Gibbs("spherical", -0.3, 5.0)), 4.0),
    "large load": (fp.Model(CLEAN, fp.Gibbs("spherical")), 300.0),
    "hinge, random, binary": (fp.Model(RANDOM, fp.Gibbs("binary", 0.4, 3.0, energy="hinge")), 0.8),
    "hinge, cold": (fp.Model(RANDOM, fp.Gibbs("spherical", 0.2, 50.0, energy="hinge")), 3.0),
    "hinge, noisy teacher": (fp.Model(NOISY, fp.Gibbs("binary", 0.2, 20.0, energy="hinge")), 1.5),
    "squared hinge": (fp.Model(RANDOM, fp.Gibbs("binary", -0.3, 5.0, energy="squared-hinge")), 2.0),
    "squared hinge, cold, noisy teacher": (fp.Model(NOISY, fp.Gibbs("spherical", 1.0, 500.0, energy="squared-hinge")), 4.0),
    "square": (fp.Model(RANDOM, fp.Gibbs("binary", 0.5, 3.0, energy="square")), 0.7),
    "square, cold, teacher": (fp.Model(CLEAN, fp.Gibbs("spherical", 0.5, 300.0, energy="square")), 3.0),
    "hinge, committee": (fp.Model(RANDOM, fp.Gibbs("binary", 0.3, 4.0, fp.TreeCommittee("relu"), "hinge")), 1.0),
}
WINDOWS = {
    "maximum margin": (fp.Model(CLEAN, fp.MaxMargin()), 2.0, False),
    "maximum margin, noisy": (fp.Model(NOISY, fp.MaxMargin()), 1.2, False),
    "ground state": (fp.Model(RANDOM, fp.Gibbs("spherical")), 4.0, True),
    "ground state, noisy teacher": (fp.Model(NOISY, fp.Gibbs("spherical", 0.3)), 5.0, True),
    "ground state, hinge": (fp.Model(NOISY, fp.Gibbs("spherical", 0.3, energy="hinge")), 5.0, True),
    "ground state, squared hinge": (fp.Model(RANDOM, fp.Gibbs("spherical", 0.5, energy="squared-hinge")), 3.0, True),
    "ground state, square": (fp.Model(CLEAN, fp.Gibbs("spherical", 0.3, energy="square")), 3.0, True),
    "the teacher itself": (fp.Model(CLEAN, fp.Gibbs("binary")), 2.0, False),
    "the teacher itself, noisy": (fp.Model(fp.Teacher(0.02), fp.Gibbs("binary", 0.0, 3.0)), 2.5, False),
}
BAYES = {"Bayes": (fp.Model(CLEAN, fp.Bayes("spherical")), 2.0), "Bayes, noisy": (fp.Model(NOISY, fp.Bayes("binary")), 1.0)}


def named(name):
    model, alpha, *ground = {**STATES, **WINDOWS, **BAYES}[name]
    return quiet_solve(model, alpha, *ground)


def grid_integral(law, function, *places, panels=1500):
    """Int P(x) function(x) dx by Gauss-Legendre panels, split at the jumps, plus the atoms."""
    nodes, weights = np.polynomial.legendre.leggauss(10)
    total = sum(mass * function(np.float64(place)) for place, mass in law.atoms)
    edges = sorted({-14.0, 0.0, 14.0, *places, *(place for place, _ in law.atoms)})
    for a, b in zip(edges, edges[1:]):
        cuts = np.linspace(a, b, max(2, int(panels * (b - a) / 28.0)))
        graded = (b - a) * np.geomspace(1e-9, 0.99, 60)  # the density may vary fast next to a margin
        cuts = np.unique(np.concatenate([cuts, a + graded, b - graded]))
        half = 0.5 * np.diff(cuts)[:, None]
        x = (0.5 * (cuts[1:] + cuts[:-1])[:, None] + half * nodes).ravel()
        total += float(np.sum((half * weights).ravel() * law.pdf(x) * function(x)))
    return total


@pytest.mark.parametrize("record", [r for r in RECORDS if r["query"] in ("margin_pdf", "margin_cdf")], ids=lambda r: r["id"])
def test_reference_value(record):
    """Densities and masses from an independent derivation in multiprecision (project reference table `equilibrium`)."""
    p = record["params"]
    law = fp.margins(quiet_solve(fp.Model(RANDOM, fp.Gibbs(record["weights"], p["margin"], p.get("beta", math.inf))), p["alpha"]))
    for name, want in record["expected"].items():
        x = float(name[4:-1])
        side = {"above": math.inf, "below": -math.inf}.get(record["at"].get("side"))
        x = float(np.nextafter(x, side)) if side else x
        got = law.pdf(x) if name.startswith("pdf") else law.cdf(x)
        assert got == pytest.approx(want, rel=record["tolerance"]["rel"], abs=record["tolerance"]["abs"])


@pytest.mark.parametrize("name", [*STATES, *BAYES])
def test_the_density_is_normalised_and_has_the_moments_it_reports(name):
    state = named(name)
    law = fp.margins(state)
    margin = getattr(state.model.learner, "margin", 0.0)
    assert grid_integral(law, np.ones_like, margin) == pytest.approx(1.0, abs=1e-10)
    mean = grid_integral(law, lambda x: x, margin)
    assert law.mean == pytest.approx(mean, abs=1e-9)
    assert law.variance == pytest.approx(grid_integral(law, lambda x: (x - mean) ** 2, margin), rel=1e-9)
    assert law.skewness * law.variance**1.5 == pytest.approx(grid_integral(law, lambda x: (x - mean) ** 3, margin), abs=1e-8)


@pytest.mark.parametrize("name", list(WINDOWS))
def test_laws_with_atoms_are_normalised_and_have_the_moments_they_report(name):
    state = named(name)
    law = fp.margins(state)
    margin = state.margin if "margin" in state.order else state.model.learner.margin
    ends = [piece.offset + piece.slope * z for piece in law._pieces for z in (piece.low, piece.high) if piece.slope > 0.0]
    edges = margin, *(place for place in ends if math.isfinite(place))
    assert grid_integral(law, np.ones_like, *edges) == pytest.approx(1.0, abs=1e-10)
    mean = grid_integral(law, lambda x: x, *edges)
    assert law.mean == pytest.approx(mean, abs=1e-9)
    assert law.variance == pytest.approx(grid_integral(law, lambda x: (x - mean) ** 2, *edges), rel=1e-9)


@pytest.mark.parametrize("name", [*STATES, *BAYES])
def test_the_density_is_the_slope_of_the_distribution_function(name):
    state = named(name)
    law = fp.margins(state)
    margin = getattr(state.model.learner, "margin", 0.0)
    scale = math.sqrt(law.variance)
    x = law.mean + scale * np.array([-2.0, -0.8, -0.1, 0.3, 1.0, 2.5])
    x = x[np.abs(x - margin) > 0.02 * scale]
    h = 2e-3 * min(scale, math.sqrt(state.one_minus_q))
    slope = (law.cdf(x - 2 * h) - 8 * law.cdf(x - h) + 8 * law.cdf(x + h) - law.cdf(x + 2 * h)) / (12 * h)
    assert slope == pytest.approx(law.pdf(x), rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("name", [*STATES, *WINDOWS, *BAYES])
def test_the_distribution_function_rises_from_zero_to_one(name):
    law = fp.margins(named(name))
    x = np.linspace(-8.0, 9.0, 300)
    c = law.cdf(x)
    assert (np.diff(c) >= -1e-13).all() and c[0] < 1e-10 and c[-1] == pytest.approx(1.0, abs=1e-10)
    assert law.cdf(-math.inf) == 0.0 and law.cdf(math.inf) == pytest.approx(1.0, abs=1e-13)
    assert (law.pdf(x) >= 0.0).all()


@pytest.mark.parametrize("name", list(STATES))
def test_the_mass_below_the_margin_is_the_train_error(name):
    state = named(name)
    law = fp.margins(state)
    below = float(np.nextafter(state.model.learner.margin, -math.inf))
    assert law.cdf(below) == pytest.approx(state.train_error, rel=1e-10, abs=1e-14)


@pytest.mark.parametrize("name", [*WINDOWS, *BAYES])
def test_the_mass_below_zero_is_the_train_error_of_rules_judged_by_their_sign(name):
    state = named(name)
    law = fp.margins(state)
    if state.branch == "ground_state":
        below = float(np.nextafter(state.model.learner.margin, -math.inf))
        assert law.cdf(below) == pytest.approx(state.train_error, rel=1e-11)
    else:
        assert law.mass_below_zero == pytest.approx(state.train_error, rel=1e-10, abs=1e-13)


@pytest.mark.parametrize("beta", [0.1, 2.0, 7.0])
@pytest.mark.parametrize("data", [RANDOM, NOISY])
def test_the_density_jumps_by_the_boltzmann_factor_at_the_margin(data, beta):
    """P(kappa+)/P(kappa-) = e^beta."""
    law = fp.margins(quiet_solve(fp.Model(data, fp.Gibbs("binary", 0.3, beta)), 1.0))
    above, below = law.pdf(0.3), law.pdf(float(np.nextafter(0.3, -1.0)))
    assert above / below == pytest.approx(math.exp(beta), rel=1e-11)


def test_hard_constraints_leave_nothing_below_the_margin():
    law = fp.margins(named("random, binary, hard"))
    assert law.pdf(0.3999) == 0.0 and law.cdf(0.3999) == 0.0 and law.cdf(0.4) == pytest.approx(0.0, abs=1e-14) and law.pdf(0.4) > 0.1


@pytest.mark.parametrize("weights, alpha", [("binary", 1.0), ("spherical", 1.0), ("spherical", 100.0)])
def test_on_the_nishimori_line_students_have_the_teachers_stabilities(weights, alpha):
    """P = 2 G(Delta) theta(Delta), at every load."""
    law = fp.margins(quiet_solve(fp.Model(CLEAN, fp.Gibbs(weights)), alpha))
    x = np.array([1e-6, 0.1, 0.5, 1.0, 2.0, 4.0])
    assert law.pdf(x) == pytest.approx(2.0 * np.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi), rel=1e-11)
    assert law.mean == pytest.approx(math.sqrt(2.0 / math.pi), rel=1e-12)
    assert law.variance == pytest.approx(1.0 - 2.0 / math.pi, rel=1e-11)


def direct(state, delta):
    """P(Delta) from its definition by a trapezoid sum in numpy."""
    learner, data, q, v = state.model.learner, state.model.data, state.q, state.one_minus_q
    z = np.linspace(-12.0, 12.0, 20001)
    x = (learner.margin - math.sqrt(q) * z) / math.sqrt(v)
    beta, t = learner.beta, learner.margin - delta
    c, s = (beta * math.sqrt(v), beta * v) if beta < math.inf else (math.inf, math.inf)
    r = math.sqrt(1.0 + s)
    log_f, penalty = {
        "hard": lambda: (log_ndtr(-x), math.inf if t > 0.0 else 0.0),
        "errors": lambda: (np.logaddexp(-beta, math.log(-math.expm1(-beta)) + log_ndtr(-x)), beta if t > 0.0 else 0.0),
        "hinge": lambda: (np.logaddexp(log_ndtr(-x), 0.5 * c * c - c * x + log_ndtr(x - c)), beta * max(t, 0.0)),
        "squared-hinge": lambda: (
            np.logaddexp(log_ndtr(-x), log_ndtr(x / r) - math.log(r) - 0.5 * s * (x / r) ** 2),
            0.5 * beta * max(t, 0.0) ** 2,
        ),
        "square": lambda: (-math.log(r) - 0.5 * s * (x / r) ** 2, 0.5 * beta * t * t),
    }["hard" if beta == math.inf else learner.energy]()
    weight = np.ones_like(z)
    if isinstance(data, fp.Teacher):
        u = state.R * z / math.sqrt(q - state.R**2)
        weight = 2.0 * ((1.0 - data.flip) * ndtr(u) + data.flip * ndtr(-u))
    log_p = -0.5 * z * z - 0.5 * (delta - math.sqrt(q) * z) ** 2 / v - math.log(2.0 * math.pi * math.sqrt(v)) - log_f
    return float(np.sum(weight * np.exp(log_p - penalty)) * (z[1] - z[0]))


@pytest.mark.parametrize("name", [n for n in STATES if n not in ("large load", "hinge, committee")])
def test_the_density_is_its_definition(name):
    state = named(name)
    law = fp.margins(state)
    for x in (-1.5, -0.2, 0.0, 0.41, 0.9, 2.5):
        assert law.pdf(x) == pytest.approx(direct(state, x), rel=1e-9, abs=1e-14)


def draw(state, n, rng):
    """Stabilities drawn by the law's construction: cavity field, then the tilted Gaussian above or below the margin."""
    learner, data, q, v = state.model.learner, state.model.data, state.q, state.one_minus_q
    z = rng.standard_normal(n)
    if isinstance(data, fp.Teacher):
        z = rng.standard_normal(3 * n)
        agree = ndtr(state.R * z / math.sqrt(q - state.R**2))
        z = z[rng.random(3 * n) < data.flip + (1.0 - 2.0 * data.flip) * agree]
    x = (learner.margin - math.sqrt(q) * z) / math.sqrt(v)
    above = ndtr(-x)
    violated = 0.0 if learner.beta == math.inf else math.exp(-learner.beta)
    f = violated + (1.0 - violated) * above
    lies_above = rng.random(z.size) < above / f
    u = rng.random(z.size)
    y = np.where(lies_above, -ndtri(u * above), ndtri(u * ndtr(x)))
    return math.sqrt(q) * z + math.sqrt(v) * y


def deviations(law, sample, cuts):
    """z-scores of the empirical distribution function at `cuts`."""
    p = law.cdf(cuts)
    p = np.clip(p, 1e-12, 1.0 - 1e-12)
    return (np.mean(sample[:, None] <= cuts, axis=0) - p) / np.sqrt(p * (1.0 - p) / sample.size)


@pytest.mark.parametrize(
    "name", ["random, binary, beta 2", "random, spherical, negative margin", "teacher, spherical, margin", "noisy teacher, binary"]
)
def test_draws_follow_the_law_and_not_a_neighbouring_one(name):
    """300 000 draws, fixed seed, 8 cuts: 5 standard errors are a false alarm of 5e-6; the law at 0.6 of the load is found out."""
    state = named(name)
    law = fp.margins(state)
    sample = draw(state, 300_000, np.random.default_rng(7))
    cuts = np.quantile(sample, [0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 0.999])
    assert np.abs(deviations(law, sample, cuts)).max() < 5.0
    assert abs(sample.mean() - law.mean) < 5.0 * math.sqrt(law.variance / sample.size)
    model = state.model
    other = quiet_solve(model, 0.6 * state.alpha)
    assert np.abs(deviations(fp.margins(other), sample, cuts)).max() > 5.0


@settings(max_examples=25)
@given(
    weights=st.sampled_from(["binary", "spherical"]),
    data=st.sampled_from([RANDOM, CLEAN, NOISY]),
    kappa=st.integers(-15, 10).map(lambda k: k / 10),
    beta=st.floats(-2.0, 3.5).map(math.exp),
    alpha=st.floats(-4.0, 2.0).map(math.exp),
)
def test_any_law_is_normalised_and_consistent_with_its_state(weights, data, kappa, beta, alpha):
    state = quiet_solve(fp.Model(data, fp.Gibbs(weights, kappa, beta)), alpha)
    law = fp.margins(state)
    assert grid_integral(law, np.ones_like, kappa, panels=400) == pytest.approx(1.0, abs=1e-10)
    assert law.mean == pytest.approx(grid_integral(law, lambda x: x, kappa, panels=400), abs=1e-9)
    assert law.cdf(float(np.nextafter(kappa, -9.0))) == pytest.approx(state.train_error, rel=1e-9, abs=1e-13)


def test_shapes_follow_the_argument_and_normalised_is_the_same_law_at_unit_norm():
    law = fp.margins(named("random, binary, beta 2"))
    assert isinstance(law.pdf(0.1), float) and law.pdf(np.zeros((2, 3))).shape == (2, 3) and law.cdf([0.1, 0.2]).shape == (2,)
    assert law.normalised() is law
    bayes = fp.margins(named("Bayes, noisy"))
    scaled = bayes.normalised()
    assert scaled.mean == pytest.approx(bayes.mean / bayes.norm) and scaled.norm == pytest.approx(1.0)
    x = np.array([-0.5, 0.2, 1.0])
    assert scaled.cdf(x) == pytest.approx(bayes.cdf(x * bayes.norm), rel=1e-12)
    assert scaled.pdf(x) == pytest.approx(bayes.norm * bayes.pdf(x * bayes.norm), rel=1e-12)
    assert scaled.skewness == bayes.skewness and scaled.mass_below_zero == pytest.approx(bayes.mass_below_zero)


def test_support_vectors_are_an_atom_at_the_margin():
    state = named("maximum margin")
    law = fp.margins(state)
    ((place, mass),) = law.atoms
    assert place == state.margin and 0.0 < mass < 1.0
    assert law.cdf(state.margin) - law.cdf(float(np.nextafter(state.margin, -1.0))) == pytest.approx(mass, rel=1e-12)
    assert "atom" in repr(law) and "<table>" in law._repr_html_()


@pytest.mark.parametrize(
    "x, match", [("a", "x must be a number"), (math.nan, "nan"), ([0.0, math.nan], "nan"), ([[1.0], [1.0, 2.0]], "x must be a number")]
)
def test_bad_arguments_are_refused(x, match):
    law = fp.margins(named("random, binary, hard"))
    for function in (law.pdf, law.cdf):
        with pytest.raises(InvalidInput, match=match):
            function(x)


@pytest.mark.parametrize("thing", [None, 1.0, fp.Model(), "state"])
def test_anything_but_a_state_is_refused(thing):
    with pytest.raises(InvalidInput, match="state must be State"):
        fp.margins(thing)


@pytest.mark.parametrize("energy, jump", [("errors", math.exp(2.0)), ("hinge", 1.0), ("squared-hinge", 1.0), ("square", 1.0)])
def test_the_density_follows_the_energy_across_the_margin(energy, jump):
    """P is multiplied by exp(-beta energy): a step of e^beta where errors are counted, a kink of size beta P for the hinge."""
    law = fp.margins(quiet_solve(fp.Model(RANDOM, fp.Gibbs("binary", 0.3, 2.0, energy=energy)), 1.0))
    h = 1e-4
    assert law.pdf(0.3) / law.pdf(np.nextafter(0.3, -1.0)) == pytest.approx(jump, rel=1e-10)
    left = np.log(law.pdf(0.3 - h * np.array([1.0, 2.0])))
    right = np.log(law.pdf(0.3 + h * np.array([1.0, 2.0])))
    kink = (right[1] - right[0]) / h - (left[0] - left[1]) / h
    assert kink == pytest.approx(-2.0 if energy == "hinge" else 0.0, abs=5e-3)


@pytest.mark.parametrize("energy", ["hinge", "squared-hinge", "square"])
def test_the_law_of_an_energy_has_its_energy_and_its_share(energy):
    """E energy(Delta) = train_loss and P(Delta < kappa) = train_error; relative flatness is E energy''."""
    state = quiet_solve(fp.Model(NOISY, fp.Gibbs("spherical", 0.3, 8.0, energy=energy)), 2.0)
    law = fp.margins(state)
    price = {"hinge": lambda t: t, "squared-hinge": lambda t: 0.5 * t * t, "square": lambda t: 0.5 * t * t}[energy]
    cost = lambda x: price(0.3 - x) if energy == "square" else price(np.maximum(0.3 - x, 0.0))
    assert grid_integral(law, cost, 0.3) == pytest.approx(state.train_loss, rel=1e-9)
    assert law.cdf(0.3) == pytest.approx(state.train_error, rel=1e-10)
    if energy != "hinge":
        assert fp.relative_flatness(state) == pytest.approx(1.0 if energy == "square" else state.train_error, rel=1e-14)
    else:
        with pytest.raises(InvalidInput, match="energy must be"):
            fp.relative_flatness(state)


@pytest.mark.parametrize("alpha, flip", [(7.0, 0.01), (40.0, 0.003), (2.0, 0.2), (120.0, 0.05)])
def test_the_law_of_the_bayes_rule_never_falls(alpha, flip):
    """Its inversion of the stability ends where it has arrived, not in a cycle of steps."""
    law = fp.margins(fp.solve(fp.Model(fp.Teacher(flip), fp.Bayes()), alpha))
    x = np.linspace(-1.0, 1.0, 401)
    below = law.cdf(x)
    assert np.all(np.diff(below) >= 0.0)
    assert np.all(law.pdf(x) >= 0.0)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_is_not_resolved_next_to_the_teacher_is_refused():
    state = fp.solve(fp.Model(fp.Teacher(0.1), fp.Gibbs("binary", 1e-5, 10.0)), 30.0)
    try:
        assert 0.0 < fp.local_energy(state, sigma=0.3) < 0.5
    except NotConverged as error:
        assert "nan" not in str(error)
