"""flatphys.precise with the energies: its closed forms by quadrature of their definition, its ground states by direct minimisation."""

import warnings

import mpmath as mp
import pytest

import flatphys as fp
from flatphys import precise
from flatphys.model import ENERGIES
from flatphys.precise.energy import FINITE, at_temperature, lifted
from flatphys.quantities import STATE

COST = {
    "errors": lambda t: mp.mpf(t > 0),
    "hinge": lambda t: max(t, mp.mpf(0)),
    "squared-hinge": lambda t: max(t, mp.mpf(0)) ** 2 / 2,
    "square": lambda t: t * t / 2,
}
RANDOM, NOISY = fp.RandomLabels(), fp.Teacher(0.1)


def gibbs(data, *arguments, **options):
    return fp.Model(data, fp.Gibbs(*arguments, **options))


def quiet(function, *arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments)


def difference(state, refined):
    """The largest difference of a number, relative where it is larger than 1."""
    assert refined.residual < mp.mpf(10) ** -25
    names = [name for name in (*state.order, *(quantity.name for quantity in STATE)) if getattr(state, name) is not None]
    pairs = [(mp.mpf(getattr(state, name)), getattr(refined, name)) for name in names]
    return max(0.0 if want == got else float(abs(want - got) / max(1, abs(want))) for got, want in pairs)


def test_every_energy_has_a_closed_form_here():
    assert set(FINITE) == set(COST) == set(ENERGIES) - {"logistic"}  # which has no closed form


# --- finite temperature -----------------------------------------------------------------------------
@pytest.mark.parametrize("energy", FINITE)
@pytest.mark.parametrize("x, beta, sigma", [(0.3, 1.2, 0.7), (-3.0, 0.5, 0.4), (6.0, 2.0, 0.9), (30.0, 0.2, 0.5), (1.0, 40.0, 0.001)])
def test_closed_forms_are_moments_of_the_definition(energy, x, beta, sigma):
    with mp.workdps(50):
        x, beta, sigma = map(mp.mpf, (x, beta, sigma))

        def weight(g):
            return mp.npdf(g) * mp.exp(-beta * COST[energy](sigma * (x - g)))

        def average(function, low=-20):
            return mp.quad(
                lambda g: weight(g) * function(g), sorted({mp.mpf(low), *(c for c in (-12, -6, 0, 6, 12, x, x + 20) if c > low)})
            )

        f = average(lambda g: 1)
        first = average(lambda g: g) / f
        spread = average(lambda g: (g - first) ** 2) / f - 1
        share = 1 - average(lambda g: 1, x) / f
        mean = average(lambda g: COST[energy](sigma * (x - g))) / f
        for got, want in zip(FINITE[energy](x, beta, sigma), (f, first, spread, share, mean)):
            assert abs(got - want) < mp.mpf(10) ** -28 * max(1, abs(want))


@pytest.mark.parametrize("energy", FINITE)
def test_the_mean_energy_is_the_derivative_of_log_f_in_beta(energy):
    with mp.workdps(40):
        x, beta, sigma = mp.mpf("0.7"), mp.mpf("1.3"), mp.mpf("0.6")
        slope = mp.diff(lambda b: mp.log(FINITE[energy](x, b, sigma)[0]), beta)
        a, b = (mp.diff(lambda y: mp.log(FINITE[energy](y, beta, sigma)[0]), x, n) for n in (1, 2))
        got = FINITE[energy](x, beta, sigma)
        assert max(abs(-slope - got[4]), abs(-a - got[1]), abs(b - got[2])) < 1e-15


def test_at_beta_infinity_the_energies_with_a_flat_side_are_hard_constraints():
    with mp.workdps(30):
        values = [at_temperature(energy, mp.inf)(mp.mpf("0.4"), mp.mpf("0.5")) for energy in ("errors", "hinge", "squared-hinge")]
        assert values[0] == values[1] == values[2]


CASES = [
    (RANDOM, "binary", 0.2, 2.0, fp.Perceptron(), 0.8),
    (RANDOM, "spherical", 0.5, 3.0, fp.Perceptron(), 1.5),
    (RANDOM, "spherical", 0.1, 30.0, fp.Perceptron(), 3.0),
    (RANDOM, "binary", 0.1, 1.5, fp.TreeCommittee("relu"), 0.9),
    (NOISY, "binary", 0.3, 1.0, fp.Perceptron(), 1.5),
    (NOISY, "spherical", 0.5, 4.0, fp.Perceptron(), 3.0),
]


@pytest.mark.long
@pytest.mark.parametrize("energy", FINITE)
@pytest.mark.parametrize("data, weights, margin, beta, network, alpha", CASES)
def test_solver_agrees_with_25_digits(energy, data, weights, margin, beta, network, alpha):
    state = quiet(fp.solve, gibbs(data, weights, margin, beta, network, energy=energy), alpha)
    assert difference(state, precise.refine(state, 25)) < 1e-12


@pytest.mark.parametrize("energy", FINITE)
@pytest.mark.parametrize("data, weights", [(RANDOM, "spherical"), (NOISY, "binary")])
def test_the_free_entropy_is_stationary_in_every_order_parameter(energy, data, weights):
    model = gibbs(data, weights, 0.3, 2.0, energy=energy)
    refined = precise.refine(quiet(fp.solve, model, 1.5), 25)
    names = ("q",) + ("R",) * (data is NOISY) + (("q_hat", "R_hat") if weights == "binary" else ())
    point = {name: refined.order[name] for name in names if name in refined.order}
    with mp.workdps(40):
        step = mp.mpf(10) ** -8
        for name in point:
            up, down = (precise.free_entropy(model, 1.5, **(point | {name: point[name] + s}), digits=20) for s in (step, -step))
            assert abs((up - down) / (2 * step)) < 1e-12, name


@pytest.mark.parametrize("energy", FINITE)
def test_the_energy_is_the_derivative_of_the_free_entropy_in_beta(energy):
    model = gibbs(RANDOM, "spherical", 0.5, 2.0, energy=energy)
    refined = precise.refine(quiet(fp.solve, model, 1.5), 25)
    step = 2.0**-14

    def at(beta):
        return precise.free_entropy(gibbs(RANDOM, "spherical", 0.5, beta, energy=energy), 1.5, refined.q, digits=25)

    with mp.workdps(40):
        slope = (8 * (at(2.0 + step) - at(2.0 - step)) - (at(2.0 + 2 * step) - at(2.0 - 2 * step))) / (12 * mp.mpf(step))
        assert abs(slope + refined.energy) < 1e-15


@pytest.mark.parametrize(
    "weights, energy, margin, beta, alpha", [("spherical", "hinge", 1.0, 1.0, 2.0), ("binary", "squared-hinge", 0.5, 3.0, 1.0)]
)
def test_the_mixture_agrees_with_25_digits(weights, energy, margin, beta, alpha):
    state = fp.solve(gibbs(fp.GaussianMixture(0.5), weights, margin, beta, energy=energy), alpha)
    assert difference(state, precise.refine(state, 25)) < 1e-12
    assert max(map(abs, precise.residuals(state, 20).values())) < 1e-12


# --- zero temperature -------------------------------------------------------------------------------
@pytest.mark.parametrize("energy", FINITE)
def test_a_lifted_field_minimises_energy_and_distance(energy):
    """l(z) and its cost, against the smallest value on a grid of Delta."""
    with mp.workdps(20):
        kappa, chi = mp.mpf("0.3"), mp.mpf("0.8")
        pieces, edge = lifted(energy, kappa, chi)
        for z in map(mp.mpf, ("-3", "-1.2", "-0.6", "0.1", "0.29", "0.5", "2")):
            t = kappa - z
            inside = [(lift, cost) for low, high, lift, cost in pieces if low < z <= high]
            move = sum(c * t**n for lift, _ in inside for n, c in enumerate(lift))
            paid = sum(c * t**n for _, cost in inside for n, c in enumerate(cost))
            assert len(inside) <= 1 and abs(paid - COST[energy](kappa - z - move)) < 1e-15
            best = min(COST[energy](kappa - z - m) + m * m / (2 * chi) for m in (mp.mpf(i) / 200 for i in range(-400, 801)))
            assert -1e-18 < best - (paid + move * move / (2 * chi)) < 1e-4
            assert (kappa - z - move > 1e-18) == (z < edge)


@pytest.mark.parametrize("energy", FINITE)
@pytest.mark.parametrize(
    "data, margin, alpha, network",
    [(RANDOM, 0.0, 4.0, fp.Perceptron()), (RANDOM, 0.5, 3.0, fp.TreeCommittee("erf")), (NOISY, 0.3, 5.0, fp.Perceptron())],
)
def test_spherical_ground_states_agree_with_25_digits(energy, data, margin, alpha, network):
    state = quiet(fp.ground_state, gibbs(data, "spherical", margin, network=network, energy=energy), alpha)
    assert difference(state, precise.refine(state, 25)) < 1e-11


@pytest.mark.long
@pytest.mark.parametrize("energy", ("hinge", "squared-hinge", "square"))
def test_the_ground_state_is_the_limit_of_low_temperatures(energy):
    """beta (1-q) and the energy approach theirs as 1/beta (the hinge with a logarithm): extrapolated from beta = 1000 and 2000."""
    cold = quiet(fp.ground_state, gibbs(RANDOM, "spherical", 0.5, energy=energy), 4.0)
    limit = precise.refine(cold, 20)
    warm = []
    for beta in (1000.0, 2000.0):
        state = quiet(fp.solve, gibbs(RANDOM, "spherical", 0.5, beta, energy=energy), 4.0)
        refined = precise.refine(state, 20)
        warm.append((refined.train_loss, beta * refined.one_minus_q))
    for (first, second), want in zip(zip(*warm), (limit.train_loss, limit.beta_one_minus_q)):
        assert abs(2 * second - first - want) < 1e-3 * want
