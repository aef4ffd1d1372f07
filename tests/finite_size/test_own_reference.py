"""Local entropies around weights of one's own: chains beside messages on the same instances, and what is refused."""

import math

import numpy as np
import pytest

import flatphys as fp
from flatphys.errors import InvalidInput

N, COUNT, ALPHA = 101, 4, 0.4
FAST = {"device": "cpu", "progress": False}


def a_model(weights="binary", **fields):
    return fp.Model(fp.RandomLabels(), fp.Gibbs(weights, **fields))


def some_weights(model, seed=3):
    """Weights on instances of `model` that are better than random ones: the signs of the messages' fixed points, a tenth of them turned."""
    instances = fp.make_instances(model, n=N, alpha=ALPHA, count=COUNT, seed=seed)
    weights = fp.message_passing(instances).weights.copy()
    weights[:, :10] *= -1
    return instances.measure(weights)


@pytest.mark.parametrize(("weights", "beta"), [("binary", 1.0), ("binary", math.inf), ("spherical", 1.0)])
def test_chains_and_messages_count_the_same_weights(weights, beta):
    model = a_model(weights)
    found = some_weights(model)
    distances = np.array([10.0, 20.0]) / N
    messages = fp.local_entropy(found, distance=distances, beta=beta)
    options = {"reference": found, "beta": beta, "seed": 5, "sweeps": 2000 if beta == math.inf else 600, **FAST}
    chains = fp.sample_local_entropy(model, N, ALPHA, distance=distances, **options)
    assert chains.reference == "found" and chains.instances == COUNT and (messages.status == "ok").all()
    # the log count of messages on one instance is off by a few tenths of a nat (0.5/N at beta = inf), measured against enumeration
    off = chains.value.values - messages.value
    bias = (0.4 if beta == math.inf else 0.1) / N
    error = np.sqrt(off.std(axis=0, ddof=1) ** 2 / COUNT + chains.value.time_error**2 / COUNT + bias**2)
    assert (np.abs(off.mean(axis=0)) < 4.0 * error).all()
    assert (np.abs((chains.train_error.values - messages.train_error).mean(axis=0)) < 4.0 * chains.train_error.time_error + 0.4 / N).all()
    others = fp.local_entropy(some_weights(model, seed=4), distance=distances, beta=beta)  # the test can tell one instance from another
    assert (off**2).mean() < 0.25 * ((chains.value.values - others.value) ** 2).mean()


def test_a_trained_rule_is_brought_to_the_sphere():
    model = fp.Model(fp.Teacher(), fp.ERM("square", l2=0.5))
    instances = fp.make_instances(model, n=21, alpha=1.0, count=2, seed=1)
    one, twice = (
        fp.sample_local_entropy(model, 21, 1.0, overlap=0.5, reference=instances.measure(w), beta=1.0, sweeps=600, **FAST)
        for w in (instances.teacher, 2.0 * instances.teacher)
    )
    assert np.array_equal(one.value.values, twice.value.values)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"model": a_model(margin=0.1)}, "model"),
        ({"n": 103}, "n"),
        ({"alpha": 0.6}, "alpha"),
        ({"chains": 4}, "chains"),
        ({"patterns": "sign"}, "patterns"),
        ({"reference": np.ones(N)}, "reference"),
    ],
)
def test_another_call_than_that_of_the_instances_is_refused_by_name(change, name):
    call = {"model": a_model(), "n": N, "alpha": ALPHA, "distance": 0.2, "reference": some_weights(a_model()), **FAST, **change}
    with pytest.raises(InvalidInput, match=f"^{name} must"):
        fp.sample_local_entropy(**call)


def test_committees_have_no_such_count():
    model = a_model(network=fp.TreeCommittee("sign"))
    instances = fp.make_instances(model, n=33, alpha=0.5, count=2, seed=1, hidden=3)
    with pytest.raises(InvalidInput, match="^network must"):
        fp.sample_local_entropy(model, 33, 0.5, distance=0.2, reference=instances.measure(np.ones((2, 33))), **FAST)
