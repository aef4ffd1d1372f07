"""c(Q) of tree committees: closed forms and tables against the definition, derivatives against differences, and what is refused."""

import math
import pickle

import mpmath as mp
import numpy as np
import pytest
from scipy.special import erf, owens_t

import flatphys as fp
from flatphys.errors import InvalidInput
from flatphys.kernels.networks import network_code, output_scale, overlap_curvature, overlap_map, overlap_slope
from flatphys.model import ACTIVATIONS


def identity(x):
    return x


def relu(x):
    return np.maximum(x, 0.0)


def hard_tanh(x):
    return np.clip(x, -1.0, 1.0)


def shifted_sign(x):
    return np.sign(x - 0.5)


def swish(x):
    return x / (1.0 + np.exp(-x))


OWN = {
    "identity": identity,
    "sign": np.sign,
    "erf": erf,
    "relu": relu,
    "tanh": np.tanh,
    "hard_tanh": hard_tanh,
    "shifted_sign": shifted_sign,
    "swish": swish,
}
TWINS = {"identity": fp.Perceptron(), **{name: fp.TreeCommittee(name) for name in ACTIVATIONS}}
NETWORKS = [fp.Perceptron(), *TWINS.values(), *(fp.TreeCommittee(phi) for phi in OWN.values())]
PLACES = (-0.97, -0.61, -0.3, -1e-3, 1e-9, 0.01, 0.4, 0.599999, 0.600001, 0.8, 0.97, 0.9999)


def name_of(network):
    return getattr(getattr(network, "activation", None), "__name__", str(getattr(network, "activation", "perceptron")))


def closed(name, q):
    """K(Q) to 30 digits from the classical integrals."""
    q = mp.mpf(q)
    return {
        "sign": lambda: 2 / mp.pi * mp.asin(q),
        "erf": lambda: 2 / mp.pi * mp.asin(2 * q / 3),
        "relu": lambda: (mp.sqrt(1 - q * q) + q * (mp.pi - mp.acos(q))) / (2 * mp.pi),
    }[name]()


def defined(phi, q, step=0.1):
    """E[phi(u) phi(v)] of an analytic phi by a plain product trapezoid sum in mpmath (converges geometrically)."""
    nodes = [mp.mpf(k) * step for k in range(int(-9.5 / step), int(9.5 / step) + 1)]
    weights = [mp.exp(-z * z / 2) * step / mp.sqrt(2 * mp.pi) for z in nodes]
    c, s = mp.sqrt((1 + mp.mpf(q)) / 2), mp.sqrt((1 - mp.mpf(q)) / 2)
    up = [[phi(c * a + s * b) for b in nodes] for a in nodes]
    return mp.fsum(weights[i] * weights[j] * up[i][j] * up[i][-1 - j] for i in range(len(nodes)) for j in range(len(nodes)))


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("q", [-0.999, -0.4, 1e-12, 0.2, 0.7, 1.0 - 1e-5, 1.0 - 1e-12])
def test_closed_forms_keep_their_digits_at_both_ends(name, q):
    net = network_code(fp.TreeCommittee(name))
    with mp.workdps(50):
        eps = 1 - mp.mpf(q)
        span = closed(name, 1) - closed(name, 0)
        c, other = (closed(name, q) - closed(name, 0)) / span, (closed(name, 1) - closed(name, q)) / span
        first, second = (mp.diff(lambda x: closed(name, x), mp.mpf(q), n, h=mp.mpf(10) ** -14 * eps) / span for n in (1, 2))
    got = overlap_map(net, q, float(eps))
    assert got == pytest.approx((float(c), float(other)), rel=2e-15)
    assert overlap_slope(net, q, float(eps)) == pytest.approx(float(first), rel=1e-11)
    assert overlap_curvature(net, q, float(eps)) == pytest.approx(float(second), rel=1e-10)


@pytest.mark.parametrize("name, low", [("sign", "sign"), ("erf", "erf")])
def test_the_closed_form_is_the_definition(name, low):
    """erf: a product trapezoid sum; sign: E[sign u sign v] = 1 - 2 theta/pi is its limit of steep erf."""
    if name == "erf":
        with mp.workdps(20):
            assert abs(defined(mp.erf, 0.6) - closed("erf", 0.6)) < 1e-14
    else:
        a = mp.mpf(10) ** 12
        assert abs(2 / mp.pi * mp.asin(2 * a * mp.mpf(0.6) / (1 + 2 * a)) - closed("sign", 0.6)) < 1e-10


@pytest.mark.parametrize("own", list(TWINS))
def test_a_function_of_one_s_own_reproduces_its_built_in_twin(own):
    """By quadrature of E[(phi(u)-phi(v))^2], which knows nothing of the closed forms; 1-c keeps its relative accuracy as Q -> 1."""
    mine, built_in = network_code(fp.TreeCommittee(OWN[own])), network_code(TWINS[own])
    for q, eps in ((x, 1.0 - x) for x in PLACES):
        assert overlap_map(mine, q, eps) == pytest.approx(overlap_map(built_in, q, eps), rel=2e-13)
        assert overlap_slope(mine, q, eps) == pytest.approx(overlap_slope(built_in, q, eps), rel=1e-11 if q > -0.9 else 1e-9)
        assert overlap_curvature(mine, q, eps) == pytest.approx(overlap_curvature(built_in, q, eps), rel=1e-7, abs=1e-7)
    for eps in (1e-6, 1e-12, 1e-20):
        assert overlap_map(mine, 1.0 - eps, eps)[1] == pytest.approx(overlap_map(built_in, 1.0 - eps, eps)[1], rel=1e-12)
        assert overlap_slope(mine, 1.0 - eps, eps) == pytest.approx(overlap_slope(built_in, 1.0 - eps, eps), rel=1e-10)
    assert overlap_curvature(mine, 1.0, 0.0) == pytest.approx(overlap_curvature(built_in, 1.0, 0.0), rel=1e-8, abs=1e-8)
    if own in ACTIVATIONS:
        assert output_scale(fp.TreeCommittee(OWN[own])) == pytest.approx(output_scale(fp.TreeCommittee(own)), rel=1e-14)


def test_tanh_is_its_definition_in_mpmath():
    net = network_code(fp.TreeCommittee(np.tanh))
    with mp.workdps(20):
        variance = defined(mp.tanh, 1)
        for q in (0.2, 0.75, -0.8):
            assert overlap_map(net, q, 1.0 - q)[0] == pytest.approx(float(defined(mp.tanh, q) / variance), rel=1e-13)
    assert output_scale(fp.TreeCommittee(np.tanh)) == pytest.approx(math.sqrt(float(variance)), rel=1e-14)


def test_a_jump_away_from_zero_is_owen_s_function():
    """P(u > h > v) = 2 T(h, tan(theta/2)): phi = sign(x - h) has 1-c = 8 T(h, tan(theta/2))/Var."""
    net = network_code(fp.TreeCommittee(shifted_sign))
    variance = output_scale(fp.TreeCommittee(shifted_sign)) ** 2
    for theta in (1e-5, 0.01, 0.3, 0.9, 1.4):
        expected = 8.0 * owens_t(0.5, math.tan(0.5 * theta)) / variance
        assert overlap_map(net, math.cos(theta), 2.0 * math.sin(0.5 * theta) ** 2)[1] == pytest.approx(expected, rel=1e-12)
    assert overlap_slope(net, 1.0, 0.0) == math.inf


@pytest.mark.parametrize("network", NETWORKS, ids=name_of)
def test_derivatives_are_those_of_the_map(network):
    net = network_code(network)
    for q in (-0.8, -0.2, 0.1, 0.5, 0.7, 0.95):
        h = 1e-5
        up, down = (overlap_map(net, q + s, 1.0 - q - s)[1] for s in (h, -h))
        assert overlap_slope(net, q, 1.0 - q) == pytest.approx((down - up) / (2.0 * h), rel=1e-7, abs=1e-9)
        up, down = (overlap_slope(net, q + s, 1.0 - q - s) for s in (h, -h))
        assert overlap_curvature(net, q, 1.0 - q) == pytest.approx((up - down) / (2.0 * h), rel=1e-6, abs=1e-6)
    assert overlap_map(net, 0.0, 1.0) == (0.0, 1.0) and overlap_map(net, 1.0, 0.0) == (1.0, 0.0)


@pytest.mark.parametrize(
    "network", [*map(fp.TreeCommittee, ACTIVATIONS), fp.TreeCommittee(hard_tanh), fp.TreeCommittee(swish)], ids=name_of
)
def test_outputs_of_finite_trees_are_correlated_as_the_kernel_says(network):
    """K units of M Gaussian inputs, binary weights at overlap Q in every unit: Cov = c(Q) at any even K; Gaussian up to 1/K."""
    phi = {"sign": np.sign, "erf": erf, "relu": relu}.get(network.activation, network.activation)
    k, m, n, rng = 40, 8, 20_000, np.random.default_rng(5)
    signs = np.repeat([1.0, -1.0], k // 2)
    x = rng.standard_normal((n, k, m))
    w = rng.choice([-1.0, 1.0], (k, m))
    other = w.copy()
    other[:, 0] *= -1.0  # Q = 1 - 2/m = 3/4
    scale = math.sqrt(k) * output_scale(network)
    one, two = (phi(np.einsum("nkm,km->nk", x, v) / math.sqrt(m)) @ signs / scale for v in (w, other))
    c = overlap_map(network_code(network), 0.75, 0.25)[0]
    product = one * two
    assert abs(product.mean() - c) < 4.5 * product.std() / math.sqrt(n)
    assert abs(one.mean()) < 4.5 / math.sqrt(n) and abs(one.var() - 1.0) < 4.5 * math.sqrt(2.0 / n) + 0.01
    # the fourth cumulant of a sum of K independent terms: at most max kurtosis (7.4, ReLU) over K
    assert abs((one**4).mean() - 3.0) < 8.0 / k + 4.5 * math.sqrt(96.0 / n)


@pytest.mark.parametrize(
    "phi, what",
    [
        (lambda x: np.full_like(x, 2.0), "constant"),
        (lambda x: math.tanh(x), "array"),
        (lambda x: np.where(x > 1.0, np.nan, x), "finite"),
        (lambda x: x[:3], "shape"),
        (lambda x: np.tanh(x).sum(), "shape"),
        (lambda: 0.0, "array"),
        ("tanh", "activation"),
        (7, "activation"),
    ],
)
def test_a_useless_activation_is_refused_when_the_network_is_made(phi, what):
    with pytest.raises(InvalidInput, match="activation") as error:
        fp.TreeCommittee(phi)
    assert what in str(error.value)


@pytest.mark.parametrize(
    "phi, what",
    [
        (np.square, "even"),
        (np.abs, "even"),
        (lambda x: np.exp(x * x / 4.0), "polynomially"),
        (lambda x: np.sign(x) * np.sqrt(np.abs(x)), "smooth"),
        (lambda x: np.tanh(300.0 * x), "smooth"),
        (lambda x: x + 1e-6 * np.sin(1e5 * x), "smooth"),
        (lambda x: np.where(np.abs(x) > 10.0, np.nan, x), "finite"),
    ],
)
def test_an_activation_that_cannot_be_tabulated_is_refused_by_name(phi, what):
    model = fp.Model(fp.RandomLabels(), fp.Gibbs("binary", network=fp.TreeCommittee(phi)))
    with pytest.raises(InvalidInput, match="activation") as error:
        fp.solve(model, 0.3)
    assert what in str(error.value)


def test_an_activation_may_overwrite_its_argument():
    def in_place(x):
        x[x < 0.0] = 0.0
        return x

    mine, twin = network_code(fp.TreeCommittee(in_place)), network_code(fp.TreeCommittee(relu))
    assert np.array_equal(mine, twin)


def test_an_unhashable_activation_is_refused():
    class Unhashable:
        __hash__ = None

        def __call__(self, x):
            return x

    with pytest.raises(InvalidInput, match="hashable"):
        fp.TreeCommittee(Unhashable())


def test_models_with_an_activation_of_one_s_own_are_hashable_and_picklable():
    model = fp.Model(fp.RandomLabels(), fp.Gibbs("binary", network=fp.TreeCommittee(np.tanh)))
    assert hash(model) == hash(pickle.loads(pickle.dumps(model))) and pickle.loads(pickle.dumps(model)) == model


@pytest.mark.parametrize(
    "weights, alpha, margin, beta",
    [("binary", 0.5, 0.1, math.inf), ("spherical", 1.4, -0.3, math.inf), ("binary", 2.0, 0.2, 2.0), ("spherical", 3.0, 0.0, 6.0)],
)
@pytest.mark.parametrize("own", list(TWINS))
def test_solutions_with_one_s_own_twin_agree_to_the_last_digits(own, weights, alpha, margin, beta):
    mine, built_in = (fp.Gibbs(weights, margin, beta, network=network) for network in (fp.TreeCommittee(OWN[own]), TWINS[own]))
    states = [fp.branches(fp.Model(fp.RandomLabels(), learner), alpha) for learner in (mine, built_in)]
    assert len(states[0]) == len(states[1])
    for one, two in zip(*states):
        for name, value in two.scalars().items():
            if name not in ("residual", "quadrature_error"):
                digits = 1e-11 if name == "at_eigenvalue" else 1e-12  # it contains c''
                assert one.scalars()[name] == pytest.approx(value, rel=digits, abs=digits), name


@pytest.mark.parametrize("own", ["identity", "erf", "relu", "sign"])
def test_thresholds_with_one_s_own_twin_agree(own):
    for weights in ("binary", "spherical"):
        models = [
            fp.Model(fp.RandomLabels(), fp.Gibbs(weights, -0.4, network=network)) for network in (fp.TreeCommittee(OWN[own]), TWINS[own])
        ]
        for ansatz in ("RS", "1RSB") if weights == "spherical" else ("RS",):
            a, b = (fp.capacity(model, ansatz=ansatz) for model in models)
            assert a == b or a == pytest.approx(b, rel=1e-10)
        a, b = (fp.max_margin(model, 0.6) for model in models)
        assert a == b or a == pytest.approx(b, rel=1e-10)
