"""Minimisers of smooth losses in mpmath: losses by their definition, the compiled solver to 1e-12, refusals by name."""

import math

import mpmath as mp
import pytest

import flatphys as fp
from flatphys.errors import InvalidInput
from flatphys.precise.losses import smooth_loss
from flatphys.quantities import STATE

PLAIN = {
    "square": lambda t: (1 - t) ** 2 / 2,
    "hinge": lambda t: max(1 - t, 0),
    "squared-hinge": lambda t: max(1 - t, 0) ** 2 / 2,
    "logistic": lambda t: mp.log1p(mp.exp(-t)),
}
DATA = (fp.GaussianMixture(0.5, 0.3), fp.Teacher(), fp.Teacher(0.1))
LOSSES = ["square", "logistic", fp.smoothed("square", 0.7), fp.smoothed("hinge", 0.5), fp.smoothed("squared-hinge", 2.0)]


def states(loss, l2=0.1, alpha=2.0, data=DATA):
    return [fp.solve(fp.Model(one, fp.ERM(loss, l2)), alpha) for one in data]


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("t", [-2.5, 0.4, 3.0])
def test_smoothed_losses_are_averages_over_noise(name, t):
    loss, _, _ = smooth_loss(fp.smoothed(name, 0.75), 1)
    with mp.workdps(25):
        t, sigma, h = mp.mpf(t), mp.mpf(0.75), mp.mpf(10) ** -6
        edge = (1 - t) / sigma
        want = mp.quad(lambda z: mp.npdf(z) * PLAIN[name](t + sigma * z), [-13, edge - 2, edge, edge + 2, 13])
        value, slope, bend = loss(t)
        assert abs(value - want) < 1e-14
        (low, below, _), (high, above, _) = loss(t - h), loss(t + h)
        assert abs((high - low) / (2 * h) - slope) < 1e-11 and abs((above - below) / (2 * h) - bend) < 1e-11


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_the_compiled_solver_agrees(loss):
    for state in states(loss):
        refined = fp.precise.refine(state, 15)
        assert refined.residual < 1e-15 and max(map(abs, fp.precise.residuals(state, 15).values())) < 1e-13
        for name in (*state.order, *(quantity.name for quantity in STATE)):
            if getattr(state, name) is not None:
                assert float(getattr(refined, name)) == pytest.approx(getattr(state, name), rel=1e-12, abs=1e-300), name


@pytest.mark.long  # sums within sums
def test_the_compiled_solver_agrees_on_smoothed_logistic_losses():
    for state in states(fp.smoothed("logistic", 1.0), data=(fp.GaussianMixture(), fp.Teacher(0.1))):
        refined = fp.precise.refine(state, 15)
        for name in ("m", "q", "V", "train_loss", "at_eigenvalue"):
            assert float(getattr(refined, name)) == pytest.approx(getattr(state, name), rel=1e-12), name


def test_digits_are_as_many_as_were_asked_for():
    state = states(fp.smoothed("hinge", 0.5), data=(fp.GaussianMixture(),))[0]
    few, many = (fp.precise.refine(state, digits) for digits in (20, 45))
    assert all(abs(few.order[name] - many.order[name]) < 1e-19 * abs(many.order[name]) for name in ("m", "q", "V"))
    assert mp.nstr(many.cosine, 12) == "0.671375286226" and 1e-20 > abs(few.train_loss - many.train_loss) > 0


@pytest.mark.parametrize(
    "data, learner, words",
    [
        (fp.GaussianMixture(), fp.ERM("hinge"), "'square' or 'logistic' or a smoothed one"),
        (fp.GaussianMixture(1.0, 0.2), fp.ERM("logistic", bias=True), "no bias"),
        (fp.Teacher(), fp.ERM("square", 0.0), "l2 > 0"),
        (fp.GaussianMixture(), fp.Hebb(), "replica-symmetric one"),
    ],
)
def test_what_has_no_smooth_equations_is_refused_by_name(data, learner, words):
    state = fp.solve(fp.Model(data, learner), 0.5)
    for ask in (fp.precise.refine, fp.precise.residuals):
        with pytest.raises(InvalidInput, match=words):
            ask(state)
    assert math.isfinite(state.q)
