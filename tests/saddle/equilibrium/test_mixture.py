"""Gibbs learners on the mixture of two clouds: reference values, limits, and identities with rooms that share no equation with it."""

import json
import math
import pathlib
import warnings
from dataclasses import replace

import numpy as np
import pytest

import flatphys as fp
from flatphys.errors import InvalidInput, NoSolution, Unsatisfiable
from flatphys.numerics.roots import bracketed

DATA = pathlib.Path(__file__).parents[2] / "data" / "robust.jsonl"
RECORDS = [record for record in map(json.loads, DATA.read_text().splitlines()) if record["query"] in ("equilibrium", "ground_state")]
CASES = [  # weights, energy, margin, beta, load, variance
    ("spherical", "hinge", 1.0, 1.0, 2.0, 1.0),
    ("spherical", "errors", 0.2, 1.0, 4.0, 2.0),
    ("spherical", "logistic", 0.0, 2.0, 1.0, 0.5),
    ("binary", "squared-hinge", 0.5, 3.0, 1.0, 0.5),
    ("binary", "errors", 0.0, math.inf, 0.5, 1.0),
]
cases = pytest.mark.parametrize("weights, energy, margin, beta, alpha, variance", CASES)


def gibbs(weights, energy, margin, beta, variance=1.0, positive=0.5, bias=False):
    return fp.Model(fp.GaussianMixture(variance, positive), fp.Gibbs(weights, margin, beta, energy=energy, bias=bias))


def quiet(function, *arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments, **options)


def number(x):
    return math.inf if x == "inf" else x


@pytest.mark.parametrize("record", RECORDS, ids=[record["id"] for record in RECORDS])
def test_states_have_the_values_of_an_independent_implementation(record):
    given = {name: number(value) for name, value in record["params"].items()}
    bias = given.get("bias") == "optimised"
    model = gibbs(record["weights"], given["energy"], given.get("margin", 0.0), given["beta"], given["variance"], given["positive"], bias)
    state = quiet(fp.solve if record["query"] == "equilibrium" else fp.ground_state, model, given["alpha"])
    tolerance = record["tolerance"]
    for name, want in record["expected"].items():
        assert getattr(state, name) == pytest.approx(want, rel=tolerance["rel"], abs=tolerance["abs"]), name
    assert state.residual < 1e-12


def test_the_records_are_there():
    assert len(RECORDS) >= 15 and {record["weights"] for record in RECORDS} == {"binary", "spherical"}


@cases
def test_wide_clouds_are_random_labels(weights, energy, margin, beta, alpha, variance):
    """Delta = m + sqrt(D) times the stability of random labels; margins and betas in units of sqrt D."""
    if energy == "logistic":
        return  # has a scale of its own
    d = 1e10
    colder = {"errors": 1.0, "hinge": d**-0.5, "squared-hinge": 1.0 / d}[energy]
    wide = fp.solve(gibbs(weights, energy, margin * math.sqrt(d), beta * colder, d), alpha)
    plain = fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs(weights, margin, beta, energy=energy)), alpha)
    assert (wide.q, wide.free_entropy, wide.at_eigenvalue) == pytest.approx((plain.q, plain.free_entropy, plain.at_eigenvalue), rel=1e-8)
    assert wide.m == pytest.approx(0.0, abs=1e-4)


@cases
def test_the_energy_is_the_slope_of_the_free_entropy_and_the_pressure_that_in_the_load(weights, energy, margin, beta, alpha, variance):
    """d phi/d beta = -energy; the free entropy is stationary in every order parameter, or this fails."""
    if beta == math.inf:
        return
    h = 1e-4 * beta
    up, here, down = (fp.solve(gibbs(weights, energy, margin, beta + k * h, variance), alpha) for k in (1, 0, -1))
    assert (up.free_entropy - down.free_entropy) / (2.0 * h) == pytest.approx(-here.energy, rel=1e-6)


@cases
def test_message_passing_ends_at_the_saddle(weights, energy, margin, beta, alpha, variance):
    model = gibbs(weights, energy, margin, beta, variance)
    state, table = fp.solve(model, alpha), fp.state_evolution(model, alpha, 400)
    assert (float(table.q[-1]), float(table.m[-1])) == pytest.approx((state.q, state.m), rel=1e-9)


@cases
def test_no_centre_beats_bayes(weights, energy, margin, beta, alpha, variance):
    model = gibbs(weights, energy, margin, beta, variance)
    state, best = fp.solve(model, alpha), fp.bayes_error(model.data, alpha, weights)
    assert best < state.centre_generalization_error < state.generalization_error
    assert state.centre_generalization_error == pytest.approx(0.5 * math.erfc(state.m / math.sqrt(2.0 * variance * state.q)))


def test_hot_centres_are_hebb_rules():
    """beta -> 0: the posterior mean is linear in the patterns, with the cosine of Bayes."""
    state = fp.solve(gibbs("spherical", "hinge", 1.0, 1e-4), 2.0)
    assert state.m / math.sqrt(state.q) == pytest.approx(math.sqrt(2.0 / 3.0), abs=1e-4)


def test_bayes_with_binary_weights_knows_its_prior():
    model = fp.Model(fp.GaussianMixture(), fp.Bayes("binary"))
    assert fp.bayes_error(model.data, 2.0, "binary") == pytest.approx(0.190266, abs=1e-6)
    assert fp.solve(model, 2.0).generalization_error == pytest.approx(0.190266, abs=1e-6)
    instances = fp.make_instances(model, 21, 1.0, count=1)
    assert set(np.unique(instances.centre)) == {-1.0, 1.0}


# --- bias -------------------------------------------------------------------------------------------
def test_a_bias_turns_with_the_classes_and_vanishes_between_balanced_ones():
    states = [fp.solve(gibbs("spherical", "hinge", 1.0, 1.0, positive=rho, bias=True), 2.0) for rho in (0.2, 0.8)]
    assert states[0].b == pytest.approx(-states[1].b, rel=1e-12) and states[0].m == pytest.approx(states[1].m, rel=1e-12)
    balanced = [fp.solve(gibbs("spherical", "hinge", 1.0, 1.0, bias=bias), 2.0) for bias in (True, False)]
    assert balanced[0].b == 0.0 and balanced[0].free_entropy == balanced[1].free_entropy


def test_a_bias_raises_the_free_entropy_and_unbalanced_clouds_without_one_are_balanced():
    with_bias, without = (fp.solve(gibbs("spherical", "hinge", 1.0, 1.0, positive=0.2, bias=bias), 2.0) for bias in (True, False))
    assert with_bias.free_entropy > without.free_entropy
    assert without.m == fp.solve(gibbs("spherical", "hinge", 1.0, 1.0), 2.0).m


# --- zero temperature -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "energy, margin, alpha", [("hinge", 1.0, 2.0), ("squared-hinge", 1.0, 3.0), ("square", 1.0, 1.1), ("logistic", 0.0, 2.0)]
)
@pytest.mark.parametrize("positive, bias", [(0.5, False), (0.3, True)])
def test_a_ground_state_is_the_trained_rule_of_norm_one(energy, margin, alpha, positive, bias):
    state = quiet(fp.ground_state, gibbs("spherical", energy, margin, math.inf, positive=positive, bias=bias), alpha)

    def trained(log_l2):
        return fp.solve(fp.Model(fp.GaussianMixture(1.0, positive), fp.ERM(energy, math.exp(log_l2), bias)), alpha)

    rule = trained(bracketed(lambda x: math.log(trained(x).q), -6.0, 4.0, "the l2 of norm one"))
    assert (state.m, state.train_loss) == pytest.approx((rule.m, rule.train_loss), rel=1e-8)
    assert state.beta_one_minus_q == pytest.approx(rule.V, rel=1e-7)
    if bias:
        assert state.b == pytest.approx(rule.b, rel=1e-7)


@pytest.mark.parametrize("positive, bias", [(0.5, False), (0.2, True)])
def test_capacity_and_largest_margin_are_those_of_the_largest_margin(positive, bias):
    data = fp.GaussianMixture(1.0, positive)
    model = fp.Model(data, fp.Gibbs("spherical", bias=bias))
    assert fp.capacity(model) == pytest.approx(fp.separability_threshold(data, bias), rel=1e-10)
    widest = fp.solve(fp.Model(data, fp.MaxMargin(bias)), 1.0)
    assert fp.max_margin(model, 1.0) == pytest.approx(widest.margin, rel=1e-10)
    at_margin = replace(model, learner=replace(model.learner, margin=widest.margin))
    assert fp.capacity(at_margin) == pytest.approx(1.0, rel=1e-9)
    with pytest.raises(Unsatisfiable, match="ground_state"):
        fp.solve(at_margin, 1.1)


def test_hard_constraints_close_in_on_the_largest_margin():
    widest = fp.solve(fp.Model(fp.GaussianMixture(), fp.MaxMargin()), 1.0)
    state = fp.solve(gibbs("spherical", "errors", widest.margin - 1e-4, math.inf), 1.0)
    assert state.one_minus_q < 1e-3 and state.m == pytest.approx(widest.m, abs=1e-3)


# --- margins ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "model, alpha",
    [
        (gibbs("spherical", "logistic", 0.0, 2.0, 0.5), 1.0),
        (gibbs("spherical", "hinge", 1.0, 1.0, 1.0, 0.2, True), 2.0),
        (gibbs("binary", "errors", 0.2, 1.0, 2.0), 2.0),
    ],
    ids=["logistic", "hinge with a bias", "errors"],
)
def test_the_law_of_stabilities_is_a_law_with_the_moments_it_says(model, alpha):
    law, state = fp.margins(fp.solve(model, alpha)), fp.solve(model, alpha)
    x, w = np.polynomial.legendre.leggauss(200)
    kappa, mean, second, mass = model.learner.margin, 0.0, 0.0, 0.0
    for low, high in ((-14.0, kappa), (kappa, 16.0)):
        at = 0.5 * (high + low) + 0.5 * (high - low) * x
        weight = 0.5 * (high - low) * w * law.pdf(at)
        mass, mean, second = mass + weight.sum(), mean + weight @ at, second + weight @ at**2
        if high == kappa:
            assert (law.cdf(kappa), state.train_error) == pytest.approx((mass, mass), abs=1e-10)
    assert (mass, mean, second - mean**2) == pytest.approx((1.0, law.mean, law.variance), abs=1e-9)
    turned = fp.local_energy(state, distance=0.5)  # nothing of the weights is left, and all of the bias
    b = state.order.get("b", 0.0) / math.sqrt(2.0 * model.data.variance)
    chance = sum(share * 0.5 * math.erfc(sign * b) for share, sign in ((model.data.positive, 1.0), (1.0 - model.data.positive, -1.0)))
    assert turned + law.mass_below_zero == pytest.approx(chance, abs=1e-9)


# --- bad input --------------------------------------------------------------------------------------
def test_what_makes_no_sense_is_refused_by_name():
    with pytest.raises(InvalidInput, match="margin must be 0 for the energy 'logistic'"):
        fp.Gibbs("spherical", 0.5, energy="logistic")
    with pytest.raises(InvalidInput, match="bias must be False for weights='binary'"):
        fp.Gibbs("binary", bias=True)
    with pytest.raises(InvalidInput, match="bias must be False on Teacher data"):
        fp.Model(fp.Teacher(), fp.Gibbs("spherical", bias=True))
    with pytest.raises(InvalidInput, match="margin must be > 0 for the energy 'square'"):
        fp.solve(gibbs("spherical", "square", 0.0, 1.0), 1.0)
    with pytest.raises(Unsatisfiable, match="ground_state"):
        fp.solve(gibbs("spherical", "logistic", 0.0, math.inf), 1.0)
    with pytest.raises(NoSolution, match="stationary bias"):
        fp.solve(gibbs("spherical", "errors", 0.0, 0.3, positive=0.2, bias=True), 1.0)
    with pytest.raises(InvalidInput, match="the reference must have no bias"):
        fp.local_entropy(fp.solve(gibbs("spherical", "hinge", 1.0, 1.0, positive=0.2, bias=True), 2.0), overlap=[0.3])


# --- simulation -------------------------------------------------------------------------------------
@pytest.mark.long
@pytest.mark.parametrize("weights, energy, margin", [("spherical", "hinge", 1.0), ("binary", "hinge", 1.0), ("spherical", "logistic", 0.0)])
def test_sampled_weights_agree(weights, energy, margin):
    model = gibbs(weights, energy, margin, 1.0)
    run = fp.sample(model, 201, 2.0, chains=32, sweeps=600, device="cpu")
    assert fp.check(fp.solve(model, run.alpha), run).passed
