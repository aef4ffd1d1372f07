"""The figures of the local entropy: the physics of their data, and their numbers against the library."""

import math
import warnings

import numpy as np
import pytest

import flatphys as fp
from flatphys import figures
from flatphys.figures.local_entropy_curve import without_patterns
from flatphys.plotting import style


def around(alpha, margin, distance):
    """The library's local entropy around binary solutions of this margin."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fp.errors.NegativeEntropyWarning)
        return fp.local_entropy(fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs("binary", margin=margin)), alpha), distance=distance)


def ok(records, **wanted):
    return style.select(records, "distance", "value", status="ok", **wanted)


def below_the_bound(records):
    return all(record["value"] < record["bound"] + 1e-12 for record in records if record["status"] == "ok")


@pytest.fixture(scope="module")
def of_margins():
    return figures.load("local-entropy-margins").compute(points=14)


@pytest.fixture(scope="module")
def against_margin():
    return figures.load("local-entropy-vs-margin").compute(points=5)


@pytest.fixture(scope="module")
def around_maximum():
    return figures.load("flatness-threshold").compute(points=40)


@pytest.fixture(scope="module")
def around_minimisers():
    return figures.load("local-entropy-minimisers").compute(points=12)


class TestMargins:
    def test_no_curve_exceeds_the_count_without_patterns(self, of_margins):
        assert below_the_bound(of_margins)
        assert without_patterns(0.5) == pytest.approx(math.log(2.0))

    def test_a_larger_margin_has_more_solutions_nearby_and_fewer_far_away(self, of_margins):
        for alpha in (0.4, 0.7):
            curves = [dict(zip(*ok(of_margins, alpha=alpha, share=share))) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
            near, far = min(d for d in curves[0] if d > 0.005), max(curves[0])
            for d, order in ((near, 1.0), (far, -1.0)):
                assert np.all(order * np.diff([curve[d] for curve in curves]) > 0.0)

    def test_typical_solutions_are_isolated_and_maximum_margin_ones_are_not(self, of_margins):
        """Huang & Kabashima 2014: at kappa = 0 the count turns negative at small distances."""
        for alpha in (0.4, 0.7):
            _, typical = ok(of_margins, alpha=alpha, share=0.0)
            _, widest = ok(of_margins, alpha=alpha, share=1.0)
            assert typical[0] < 0.0 < widest[0]

    def test_the_saddle_is_lost_only_at_small_distances_around_small_margins(self, of_margins):
        lost = [record for record in of_margins if record["status"] != "ok"]
        assert {(r["alpha"], r["share"]) for r in lost} == {(0.7, 0.0), (0.8, 0.0), (0.8, 0.25), (0.8, 0.5)}
        assert all(r["status"] == "no_solution" and r["value"] is None and r["distance"] < 0.005 for r in lost)
        for alpha, share in {(r["alpha"], r["share"]) for r in lost}:
            end = min(ok(of_margins, alpha=alpha, share=share)[0])
            assert all(r["distance"] < end for r in lost if (r["alpha"], r["share"]) == (alpha, share))

    def test_records_are_the_librarys_numbers(self, of_margins):
        for record in [r for r in of_margins if r["status"] == "ok"][7::31]:
            found = around(record["alpha"], record["margin"], record["distance"])
            assert found.value == pytest.approx(record["value"], rel=1e-8, abs=1e-10)
        largest = {r["alpha"]: r["margin"] for r in of_margins if r["share"] == 1.0}
        assert largest[0.4] == fp.max_margin(fp.Model(), 0.4)


class TestAgainstTheMargin:
    def test_local_entropy_grows_with_the_margin_and_falls_with_the_load(self, against_margin):
        assert below_the_bound(against_margin)
        at_zero = {0.005: [], 0.05: []}
        for d, values in at_zero.items():
            for alpha in dict.fromkeys(record["alpha"] for record in against_margin):
                margins, found = style.select(against_margin, "margin", "value", alpha=alpha, distance=d, status="ok")
                assert margins[-1] == fp.max_margin(fp.Model(), alpha)
                assert np.all(np.diff(found) > -1e-12)  # rounding where the bound is reached
                if margins[0] == 0.0:
                    values.append(found[0])
            assert np.all(np.diff(values) < 0.0)

    def test_records_are_the_librarys_numbers(self, against_margin):
        for record in [r for r in against_margin if r["status"] == "ok"][3::11]:
            found = around(record["alpha"], record["margin"], record["distance"])
            assert found.value == pytest.approx(record["value"], rel=1e-8, abs=1e-10)


class TestThreshold:
    def test_the_local_entropy_is_monotonic_up_to_its_maximum_only_below_the_threshold(self, around_maximum):
        threshold = around_maximum[0]["threshold"]
        assert threshold == pytest.approx(0.7290328, abs=1e-6)  # Baldassi et al. 2021
        loads = list(dict.fromkeys(record["alpha"] for record in around_maximum))
        assert min(loads) < threshold < max(loads) and threshold in loads
        for alpha in loads:
            _, y = ok(around_maximum, alpha=alpha)
            rise = y[: int(np.argmax(y)) + 1]
            assert len(rise) > 20
            if alpha != threshold:
                assert bool(np.all(np.diff(rise) > 0.0)) is (alpha < threshold)

    def test_the_slope_touches_zero_at_the_threshold(self, around_maximum):
        x, slope = style.select(around_maximum, "distance", "slope", alpha=around_maximum[0]["threshold"])
        dip = min(s for d, s in zip(x, slope) if d < 0.05)
        assert 0.0 <= dip < 0.02  # the grid misses the point of contact

    def test_slopes_are_those_of_the_values(self, around_maximum):
        assert below_the_bound(around_maximum)
        for alpha in dict.fromkeys(record["alpha"] for record in around_maximum):
            x, y = ok(around_maximum, alpha=alpha)
            _, slope = style.select(around_maximum, "distance", "slope", alpha=alpha, status="ok")
            cuts = np.diff(y) / np.diff(x)
            inner = (np.minimum(slope[1:], slope[:-1]) - 1e-9 <= cuts) & (cuts <= np.maximum(slope[1:], slope[:-1]) + 1e-9)
            assert inner.mean() > 0.85  # between the ends' slopes, but beside an inflection

    def test_records_are_the_librarys_numbers(self, around_maximum):
        for record in [r for r in around_maximum if r["status"] == "ok"][5::37]:
            found = around(record["alpha"], record["margin"], record["distance"])
            assert found.value == pytest.approx(record["value"], rel=1e-8, abs=1e-10)
            assert -2.0 * found.slope == pytest.approx(record["slope"], rel=1e-6, abs=1e-8)


class TestMinimisers:
    def test_no_curve_exceeds_the_volume_without_patterns(self, around_minimisers):
        assert below_the_bound(around_minimisers)
        assert all(record["bound"] == pytest.approx(0.5 * math.log(1.0 - record["overlap"] ** 2), rel=1e-9) for record in around_minimisers)

    def test_a_stronger_l2_errs_more_and_keeps_its_distance(self, around_minimisers):
        hard = {r["l2"]: r for r in around_minimisers if r["beta"] == math.inf}
        largest = [hard[l2]["largest_overlap"] for l2 in sorted(hard)]
        errors = [hard[l2]["train_error"] for l2 in sorted(hard)]
        assert largest[0] == pytest.approx(1.0, abs=1e-6) and np.all(np.diff(largest) < 0.0)
        assert np.all(np.diff(errors) > 0.0)
        for l2 in hard:
            nearest, values = ok(around_minimisers, beta=math.inf, l2=l2)
            assert nearest[0] > 0.5 * (1.0 - hard[l2]["largest_overlap"])
            if l2 >= 0.3:  # the volume vanishes there
                assert values[0] < max(values) - 2.0

    def test_weights_that_may_err_are_more_than_those_that_may_not(self, around_minimisers):
        for record in [r for r in around_minimisers if r["beta"] == math.inf and r["status"] == "ok"][::6]:
            state = fp.solve(fp.Model(fp.GaussianMixture(), fp.ERM("logistic", l2=record["l2"])), record["alpha"])
            soft = fp.local_entropy(state, distance=record["distance"], beta=5.0)
            assert record["value"] <= soft.value + 1e-9

    def test_records_are_the_librarys_numbers(self, around_minimisers):
        for record in [r for r in around_minimisers if r["status"] == "ok"][4::17]:
            state = fp.solve(fp.Model(fp.GaussianMixture(), fp.ERM("logistic", l2=record["l2"])), record["alpha"])
            found = fp.local_entropy(state, distance=record["distance"], beta=record["beta"])
            assert found.value == pytest.approx(record["value"], rel=1e-8, abs=1e-10)


class TestCommittees:
    @pytest.mark.long
    def test_flat_means_growing_with_the_distance(self):
        records = figures.load("committee-local-entropy").compute(points=30)
        assert below_the_bound(records)
        for network in ("perceptron", "erf", "ReLU", "sign"):
            mine = [record for record in records if record["network"] == network]
            assert 0.5 < mine[0]["around_max_margin"] < mine[0]["replicated"] < mine[0]["capacity"]
            for alpha in (0.5, 0.75):
                x, y = ok(mine, alpha=alpha)
                grows = all(b > a for a, b in zip(y[: x.index(max(z for z in x if z < 0.15))], y[1:]))
                assert grows == (alpha < mine[0]["around_max_margin"]), (network, alpha)
