"""Phase diagrams: every vertex solves its boundary's equation, known values lie on the curves, boundaries are ordered and meet."""

import math
import warnings

import matplotlib
import numpy as np
import pytest
from scipy import integrate, stats

import flatphys as fp
from flatphys import phase_diagrams
from flatphys.phase_diagrams import gaussian_mixture
from flatphys.thresholds.optimal import optimal_l2

matplotlib.use("Agg")


def binary(margin):
    return fp.Model(fp.RandomLabels(), fp.Gibbs("binary", margin=margin))


def spherical(margin):
    return fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", margin=margin))


def sampled(boundary, *names, step):
    return list(zip(*(boundary.columns[name][::step].tolist() for name in names)))


def solved(model, alpha):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fp.solve(model, alpha)


@pytest.fixture(scope="module")
def perceptron():
    return fp.phase_diagram("spherical_perceptron")


@pytest.fixture(scope="module")
def mixture():
    return fp.phase_diagram("gaussian-mixture")


@pytest.fixture(scope="module")
def storage():
    return fp.phase_diagram("binary-perceptron")


def gardner(margin):
    """1/Int_{z<kappa} Dz (kappa - z)^2 by SciPy's quadrature."""
    return (
        1.0
        / integrate.quad(
            lambda z: stats.norm.pdf(z) * (margin - z) ** 2,
            -40.0,
            margin,
            epsabs=1e-15,
            epsrel=1e-13,
            limit=400,
            points=[0.0, margin - 1.0],
        )[0]
    )


def test_gardners_line_is_its_integral(perceptron):
    for alpha, margin in sampled(perceptron["Gardner capacity"], "alpha", "margin", step=7):
        assert alpha == pytest.approx(gardner(margin), rel=1e-9)
    boundary = perceptron["Gardner capacity"]
    assert boundary.alpha[boundary.margin == 0.0] == pytest.approx([2.0], rel=1e-14)  # Gardner 1988


def test_the_replicon_vanishes_on_the_stability_lines(perceptron):
    for alpha, margin in sampled(perceptron["stability"], "alpha", "margin", step=6)[:-1]:
        assert solved(spherical(margin), alpha).at_eigenvalue == pytest.approx(0.0, abs=1e-8)
    assert perceptron["stability"].alpha[-1] == perceptron["1RSB capacity"].alpha[-1] == pytest.approx(2.0, rel=1e-14)


def test_the_one_step_capacity_is_ordered_and_published(perceptron):
    broken, upper, stable = (perceptron[name] for name in ("1RSB capacity", "Gardner capacity", "stability"))
    for alpha, margin in sampled(broken, "alpha", "margin", step=6)[:-1]:
        assert np.interp(margin, stable.margin, stable.alpha) < alpha < gardner(margin)
    assert np.all(np.diff(upper.alpha) < 0.0) and np.all(np.diff(stable.alpha) < 0.0) and np.all(np.diff(broken.alpha) < 0.0)
    assert np.exp(np.interp(-1.0, broken.margin, np.log(broken.alpha))) == pytest.approx(12.31963435, rel=1e-3)


@pytest.mark.long
def test_binary_lines_solve_their_equations(storage):
    for alpha, margin in sampled(storage["zero entropy"], "alpha", "margin", step=9):
        assert solved(binary(margin), alpha).entropy == pytest.approx(0.0, abs=1e-8)
    for alpha, margin in sampled(storage["stability"], "alpha", "margin", step=9):
        assert solved(binary(margin), alpha).at_eigenvalue == pytest.approx(0.0, abs=1e-8)
    for alpha, margin in sampled(storage["end of branch"], "alpha", "margin", step=9):
        assert alpha == pytest.approx(2.0 / math.pi * gardner(margin), rel=1e-9)
        with pytest.raises(fp.errors.NoSolution, match="ends at alpha"):
            fp.solve(binary(margin), alpha * (1.0 + 1e-9))


@pytest.mark.long
def test_the_capacity_in_high_precision(storage):
    boundary = storage["zero entropy"]
    for i in (10, int(np.flatnonzero(boundary.margin == 0.0)[0])):
        state = solved(binary(float(boundary.margin[i])), float(boundary.alpha[i]))
        assert abs(float(fp.precise.refine(state, digits=15).entropy)) < 1e-9


@pytest.mark.long
def test_binary_lines_pass_through_published_points_in_order(storage):
    zero, stable, end, dense = (storage[name] for name in ("zero entropy", "stability", "end of branch", "dense regions"))

    def at_zero(boundary):
        return float(boundary.alpha[boundary.margin == 0.0][0])

    assert at_zero(zero) == pytest.approx(0.8330786, abs=1e-7)  # Krauth & Mezard 1989
    assert at_zero(stable) == pytest.approx(1.0146536, abs=1e-7)  # Krauth & Mezard 1989: 1.015
    assert at_zero(end) == pytest.approx(4.0 / math.pi, rel=1e-14)  # Gardner & Derrida 1988
    assert at_zero(dense) == pytest.approx(0.7553020, abs=1e-7)
    for margin in np.linspace(-0.45, 0.95, 8):
        loads = [np.interp(margin, b.margin, b.alpha) for b in (dense, zero, stable, end)]
        assert loads == sorted(loads)
    for b in (zero, stable, end, dense):
        assert np.all(np.diff(b.margin) > 0.0) and np.all(np.diff(b.alpha) < 0.0)


@pytest.mark.long
def test_the_slope_touches_zero_on_the_line_of_typical_solutions(storage):
    """Around a typical solution on the line the slope of the local entropy, on a fine grid of distances, is negative but at
    one interior distance, where it is zero."""
    line = storage["typical solutions"]
    assert line.alpha[0] == pytest.approx(0.7290328, abs=1e-7) and line.margin[0] == pytest.approx(
        fp.max_margin(binary(0.0), 0.7290328105), abs=1e-7
    )
    for alpha, margin, distance in sampled(line, "alpha", "margin", "distance", step=6):
        state = fp.solve(binary(margin), alpha) if alpha < line.alpha[0] else solved(binary(margin), alpha - 1e-12)
        near = distance * np.geomspace(0.9, 1.1, 9)
        fit = np.polynomial.Polynomial.fit(np.log(near), fp.local_entropy(state, distance=near).slope, 6)
        place = min((r.real for r in fit.deriv().roots() if abs(r.imag) < 1e-9), key=lambda x: abs(x - math.log(distance)))
        assert fit(place) == pytest.approx(0.0, abs=1e-8)
        away = distance * np.geomspace(0.3, 3.0, 12)
        assert np.all(fp.local_entropy(state, distance=away).slope < 0.0)
    assert np.all(np.diff(line.alpha) < 0.0) and np.all(np.diff(line.margin) < 0.0)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::flatphys.errors.ReplicaSymmetryWarning")  # of the regions among each other: no matter here
def test_dense_regions_lose_their_monotonicity_on_their_line(storage):
    line = storage["dense regions"]
    for alpha, margin in sampled(line, "alpha", "margin", step=11):
        answer = fp.replicated_flatness_threshold(binary(margin))
        assert answer.alpha == pytest.approx(alpha, rel=1e-12)
        slope = fp.replicated_entropy(binary(margin), alpha, distance=[answer.distance]).slope
        assert float(slope[0]) == pytest.approx(0.0, abs=1e-8)


def test_the_largest_margin_vanishes_at_separability(mixture):
    for name, positive, bias in (("separability", 0.5, False), ("separability with bias, positive 0.2", 0.2, True)):
        for alpha, variance in sampled(mixture[name], "alpha", "variance", step=9):
            data = fp.GaussianMixture(variance, positive)
            assert fp.solve(fp.Model(data, fp.MaxMargin(bias)), alpha * (1.0 - 1e-12)).margin == pytest.approx(0.0, abs=1e-8)
    boundary = mixture["separability"]
    assert np.all(np.diff(boundary.alpha) < 0.0)
    assert np.exp(np.interp(0.0, np.log(boundary.variance), np.log(boundary.alpha))) == pytest.approx(3.70003346, rel=1e-3)


def test_bayes_errors_on_their_contours(mixture):
    for boundary in mixture.boundaries:
        if not boundary.name.startswith("Bayes"):
            continue
        value = float(boundary.name.split()[2].rstrip(","))
        positive = 0.5 if boundary.plane == "balanced" else 0.2
        for alpha, variance in sampled(boundary, "alpha", "variance", step=13):
            assert fp.bayes_error(fp.GaussianMixture(variance, positive), alpha) == pytest.approx(value, rel=1e-9)
            if positive == 0.5:  # one Gaussian of the centroid's estimate, closed form
                q = alpha / (alpha + variance)
                assert stats.norm.sf(math.sqrt(q / variance)) == pytest.approx(value, rel=1e-9)
        assert np.all(np.diff(boundary.variance[np.argsort(boundary.alpha)]) > 0.0)  # more data allow broader clouds


def test_the_search_over_all_l2_agrees_with_the_contours_of_the_best_one(mixture):
    for l2 in gaussian_mixture.PENALTIES:
        boundary = mixture[f"optimal l2 {l2:g}"]
        assert len(boundary) > 10
        system = gaussian_mixture.Regularised(l2)
        for alpha, variance in zip(boundary.alpha.tolist(), boundary.variance.tolist()):
            assert abs(system.slope((math.log(alpha), math.log(variance)))) < 1e-8
        for alpha, variance in sampled(boundary, "alpha", "variance", step=8):
            model = fp.Model(fp.GaussianMixture(variance, 0.2), fp.ERM("logistic", bias=True))
            assert optimal_l2(model, alpha) == pytest.approx(l2, rel=1e-7)
            errors = [
                solved(fp.Model(model.data, fp.ERM("logistic", l2 * factor, bias=True)), alpha).generalization_error
                for factor in (0.9, 1.0, 1.1)
            ]
            assert errors[1] < min(errors[0], errors[2])


def test_the_best_l2_of_the_balanced_mixture_is_infinite():
    for alpha, variance in ((0.5, 0.3), (3.0, 1.0), (30.0, 3.0)):
        assert fp.optimal_l2(fp.Model(fp.GaussianMixture(variance), fp.ERM("logistic")), alpha) == math.inf


def test_a_diagram_prints_plots_and_survives_its_records(perceptron):
    text = repr(perceptron)
    assert "Gardner capacity" in text and "the replicon is 0" in text and "<table" in perceptron._repr_html_()
    again = phase_diagrams.PhaseDiagram.from_records(perceptron.name, perceptron.records())
    assert repr(again) == text
    assert all(np.array_equal(a.alpha, b.alpha) for a, b in zip(again.boundaries, perceptron.boundaries))
    ax = perceptron.plot()
    assert isinstance(ax, matplotlib.axes.Axes) and len(ax.get_legend().get_texts()) == 3
    assert "replica symmetric" in " ".join(text.get_text() for text in ax.texts)
    assert perceptron.plot(ax, "margin") is ax
    matplotlib.pyplot.close("all")
    with pytest.raises(AttributeError, match="no 'beta'; its columns are alpha, margin"):
        perceptron["stability"].beta


def test_unknown_names_are_refused(perceptron):
    with pytest.raises(fp.errors.InvalidInput, match="phase diagram must be one of 'binary-perceptron'.*did you mean 'teacher-student'"):
        fp.phase_diagram("teacher-studnt")
    with pytest.raises(fp.errors.InvalidInput, match="boundary must be one of 'Gardner capacity'"):
        perceptron["AT"]
    with pytest.raises(fp.errors.InvalidInput, match="plane must be one of 'margin'"):
        perceptron.plot(plane="beta")


@pytest.mark.parametrize("name", ["spherical-perceptron", "gaussian-mixture"])
def test_polylines_are_smooth_in_print(name, request):
    """Between neighbouring vertices inside of the box the direction turns by little, and no chord is long."""
    diagram = request.getfixturevalue({"spherical-perceptron": "perceptron", "gaussian-mixture": "mixture"}[name])
    for boundary in diagram.boundaries:
        frame = phase_diagrams.load(name).PLANES[boundary.plane]
        rows = [dict(zip(boundary.columns, values)) for values in zip(*boundary.columns.values())]
        points = np.array([frame.unit(row) for row in rows if frame.holds(row)])
        chords = np.diff(points, axis=0)
        length = np.hypot(*chords.T)
        assert length.max() < 0.1
        long = length > 1e-3
        turns = np.diff(np.unwrap(np.arctan2(chords[long, 1], chords[long, 0])))
        assert np.abs(turns).max() < 0.2
