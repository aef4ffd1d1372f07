"""Hidden weights: the compiled epochs beside a few lines of NumPy, what they solve, and that they go on to the same bits."""

import numpy as np
import pytest

import flatphys as fp
from flatphys.errors import InvalidInput
from flatphys.finite_size.binary.descent import GAMMA, HiddenDescent
from flatphys.finite_size.binary.hidden import shuffled

COMMITTEE = fp.TreeCommittee("sign")


def order_of(search, p, epoch, replica):
    order, draws = np.empty(p, np.int32), np.empty((4, (p + 3) // 4), np.uint64)
    shuffled(order, draws, epoch, replica, *search.key)
    return order


def sign(h):
    return np.where(h >= 0.0, 1.0, -1.0)


def plain(search, x, needed, epochs, explicit):
    """(H of the replicas, H of an explicit centre) after so many epochs, from the definition; x (p, units, inputs)."""
    plan, (p, _, size) = search.plan, x.shape
    h = search.state.h[:, :, :size].astype(np.float32)
    centre = search.state.centre[:, :, :size].astype(np.float32)[0]
    y, rate, lam = len(h), np.float32(plan.rate), np.float32(plan.pull)
    for epoch in range(epochs):
        gamma = search.gamma.gamma0 + (search.gamma.gamma1 - search.gamma.gamma0) * epoch / search.gamma.steps
        orders = [order_of(search, p, epoch, a) for a in range(y)]
        for lo in range(0, p, plan.batch):
            for a in range(y):
                w = sign(h[a])
                for mu in orders[a][lo : lo + plan.batch]:
                    fields = (x[mu] * w).sum(axis=1)
                    wrong = [unit for unit in np.argsort(-fields, kind="stable") if fields[unit] <= 0]
                    for unit in wrong[: max(0, needed - int((fields > 0).sum()))]:
                        h[a, unit] += rate * x[mu, unit]
                if y > 1:
                    w, total = sign(h[a]), sign(h).sum(axis=0)
                    held = np.tanh(gamma * (y * sign(centre) if explicit else total))
                    h[a] += (plan.pull * held).astype(np.float32) - lam * w.astype(np.float32)
            if y > 1 and explicit:
                centre += lam * ((sign(h).sum(axis=0) / y).astype(np.float32) - sign(centre).astype(np.float32))
    return h, centre


@pytest.mark.parametrize("hidden", [None, 3, 5])
@pytest.mark.parametrize(
    "algorithm",
    [
        fp.SGD(batch=7, epochs=3),
        fp.ReplicatedSGD(replicas=3, batch=11, epochs=3, pull=0.5),
        fp.ReplicatedSGD(replicas=4, batch=40, epochs=3, gamma=0.3, centre="explicit", learning_rate=2.0),
    ],
    ids=["alone", "traced", "explicit"],
)
def test_epochs_are_what_the_definition_says(algorithm, hidden):
    n = 45 if hidden is None else 15 * hidden
    model = fp.Model(fp.Teacher(), fp.Gibbs(network=COMMITTEE if hidden else fp.Perceptron()))
    instances = fp.make_instances(model, n, 1.2, count=2, seed=8, hidden=hidden)
    search = algorithm.begin(instances, 1, 3)
    units, p = hidden or 1, instances.p
    signs = np.where(np.arange(units) < (units + 1) // 2, 1.0, -1.0)[:, None]
    x = instances.patterns[1].T.reshape(p, units, -1) * (1.0 if hidden is None else instances.labels[1][:, None, None] * signs)
    expected, centre = plain(search, x, units // 2 + 1, 3, search.plan.explicit)
    assert search.advance() and search.iterations == 3
    size = n // units
    assert np.abs(search.state.h[:, :, :size] - expected).max() < 1e-4
    if search.plan.explicit:
        assert np.abs(search.state.centre[0, :, :size] - centre).max() < 1e-4
    if len(expected) > 1:
        assert np.array_equal(search.replicas, sign(expected).reshape(len(expected), n))


def test_a_pattern_moves_only_the_wrong_units_that_are_closest():
    """One pattern, five units of three inputs: of the wrong units those of the largest fields, as many as are missing."""
    model = fp.Model(fp.RandomLabels(), fp.Gibbs(network=COMMITTEE))
    x = np.array([[1, 1, 1, 1, 1, -1, 1, -1, -1, 1, 1, 1, -1, -1, -1]], np.int8)
    c = np.repeat([1, 1, 1, -1, -1], 3)
    instances = fp.Instances.from_arrays(model, x * c, [1], hidden=5)
    search = fp.SGD(epochs=1).begin(instances, 0, 1)
    search._hold(np.ones_like(search.state.h), search.state.centre)
    search.advance()  # fields 3, 1, -1, 3, -3: right
    assert np.all(search.state.h[:, :, :3] == 1.0) and search.best_errors == 0
    turned = np.ones_like(search.state.h)
    turned[0, 3] = -1.0  # fields 3, 1, -1, -3, -3: one is missing, and the third is the closest
    search._hold(turned, search.state.centre)
    search.iterations, search.budget = 0, 1
    search.advance()
    assert search.state.h[0, 2, :3].tolist() == [2.0, 0.0, 0.0] and np.all(search.state.h[0, [0, 1]][:, :3] == 1.0)
    assert np.all(search.state.h[0, 3:, :3] == turned[0, 3:, :3])


@pytest.mark.parametrize("kind", ["sign", "gaussian"])
def test_coupled_replicas_solve_where_a_single_one_does_not(kind):
    instances = fp.make_instances(fp.Model(), 301, 0.55, count=4, seed=6, patterns=kind)
    alone = fp.find(instances, fp.SGD(epochs=300), seed=2, progress=False)
    together = fp.find(instances, fp.ReplicatedSGD(), seed=2, progress=False)
    assert alone.solved.sum() == 0 and together.solved.all()
    assert together.replicas.shape == (4, 7, 301) and alone.replicas is None
    rows = together.history.mutual_overlap.values
    overlap = np.array([row[np.isfinite(row)][-1] for row in rows])
    expected = [(np.mean(r.astype(float).sum(axis=0) ** 2) - 7.0) / 42.0 for r in together.replicas]
    assert np.allclose(overlap, expected, atol=1e-12) and np.all((overlap > 0.6) & (overlap < 1.0))
    assert all(np.all(np.diff(row[np.isfinite(row)]) > 0.0) for row in together.history.gamma.values)


def test_an_explicit_centre_solves_too():
    instances = fp.make_instances(fp.Model(), 301, 0.5, count=3, seed=6)
    assert fp.find(instances, fp.ReplicatedSGD(centre="explicit"), progress=False).solved.all()


def test_margins_and_teachers_are_solved():
    wide = fp.make_instances(fp.Model(fp.RandomLabels(), fp.Gibbs(margin=0.3)), 201, 0.25, count=2, seed=1)
    assert fp.find(wide, fp.ReplicatedSGD(), progress=False).stabilities.min() >= 0.3
    taught = fp.make_instances(fp.Model(fp.Teacher(), fp.Gibbs(network=COMMITTEE)), 201, 0.4, count=2, seed=1, hidden=3)
    assert fp.find(taught, fp.ReplicatedSGD(), progress=False).solved.all()


def test_fields_of_real_weights_and_schedules_that_cannot_be_are_refused():
    instances = fp.make_instances(fp.Model(), 15, 0.5)
    for algorithm, name in (
        (fp.SGD(slack=0.1), "slack"),
        (fp.ReplicatedSGD(sigma=0.5), "sigma"),
        (fp.SGD(learning_rate=fp.Schedule(1.0, 0.5, 10)), "learning_rate"),
    ):
        with pytest.raises(InvalidInput, match=f"{name} must be .* for binary weights"):
            fp.find(instances, algorithm)
    for wrong in (
        {"gamma0": -0.1},
        {"gamma0": 0.1, "gamma1": -1.0},
        {"gamma0": 0.1, "steps": 0},
        {"gamma0": 0.0, "gamma1": 1.0, "law": "geometric"},
    ):
        with pytest.raises(InvalidInput, match="gamma0|gamma1|steps"):
            fp.Schedule(**wrong)
    for wrong in ({"gamma": -0.1}, {"replicas": 1}, {"epochs": 0}, {"batch": 0}, {"pull": 0.0}, {"centre": "both"}):
        with pytest.raises(InvalidInput, match=next(iter(wrong))):
            fp.ReplicatedSGD(**wrong)


def test_schedules_move_as_they_say():
    line, ratio = fp.Schedule(1.0, 0.5, steps=4), fp.Schedule(1.0, 16.0, steps=4, law="geometric")
    assert [line.at(t) for t in (0, 1, 4, 9)] == [1.0, 0.875, 0.5, 0.5]
    assert np.allclose(ratio.table(np.arange(6)), [1.0, 2.0, 4.0, 8.0, 16.0, 16.0])
    assert fp.Schedule(0.3).at(7) == 0.3 and GAMMA.at(0) == 0.05


SEARCHES = [
    fp.SGD(epochs=40),
    fp.ReplicatedSGD(replicas=3, epochs=40),
    fp.ReplicatedSGD(replicas=3, epochs=40, centre="explicit"),
    fp.SBPI(epochs=40),
    fp.SimulatedAnnealing(sweeps=300),
    fp.ReplicatedAnnealing(sweeps=200),
]


@pytest.mark.parametrize("kind", ["sign", "gaussian"])
@pytest.mark.parametrize("algorithm", SEARCHES, ids=repr)
def test_a_search_goes_on_from_its_arrays_to_the_same_bits(algorithm, kind, monkeypatch):
    for room in ("descent", "sbpi", "annealing"):
        monkeypatch.setattr(f"flatphys.finite_size.binary.{room}.CHUNK", 300 if room != "annealing" else 30000)
    instances = fp.make_instances(fp.Model(), 61, 0.9, count=2, seed=2, patterns=kind)

    def run(search, rows):
        while not search.advance():
            rows.append(search.row())
            if len(rows) == 4:
                break
        return search

    first = run(algorithm.begin(instances, 1, 5), [])
    kept = {name: np.array(array) for name, array in first.arrays().items()}
    second = algorithm.begin(instances, 1, 5)
    second.restore(kept)
    one, two = [], []
    run(first, one), run(second, two)
    assert len(one) > 0 and one == two and first.iterations == second.iterations
    assert np.array_equal(first.weights, second.weights) and first.best_errors == second.best_errors
    assert all(np.array_equal(a, b) for a, b in zip(first.arrays().values(), second.arrays().values()))


@pytest.mark.parametrize("algorithm", SEARCHES, ids=repr)
def test_threads_change_no_bit(algorithm):
    instances = fp.make_instances(fp.Model(), 61, 0.6, count=4, seed=2)
    one, three = (fp.find(instances, algorithm, threads=threads, progress=False) for threads in (1, 3))
    assert np.array_equal(one.weights, three.weights) and one.history.equals(three.history)
    assert not np.array_equal(one.weights, fp.find(instances, algorithm, seed=9, progress=False).weights)


def test_the_best_weights_are_kept(monkeypatch):
    monkeypatch.setattr("flatphys.finite_size.binary.descent.CHUNK", 2000)
    instances = fp.make_instances(fp.Model(), 101, 1.2, seed=3)
    search = HiddenDescent(fp.SGD(epochs=200), instances, 0, 1)
    seen = []
    while not search.advance():
        seen.append(int((instances.stabilities(search.weights[None, None])[0, 0] < 0.0).sum()))
    assert len(seen) > 1 and seen == sorted(seen, reverse=True) and seen[-1] == search.best_errors
