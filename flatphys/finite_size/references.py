"""What chains count around: weights drawn from the learner, trained by it, or one's own, and the instances that go with them."""

import math

import numpy as np

from flatphys import validate
from flatphys.errors import InvalidInput
from flatphys.finite_size import memory
from flatphys.finite_size.instances import make_instances
from flatphys.finite_size.rules import fit, one_thread
from flatphys.finite_size.schedule import choose_betas, default_patterns, energy_name, sampled_channel, starting_weights
from flatphys.model import Bayes, GaussianMixture, Gibbs, Model, Teacher, TreeCommittee


def refuse(model, reference):
    """What has no local entropy at finite N."""
    learner = model.learner
    if isinstance(getattr(learner, "network", None), TreeCommittee):
        raise InvalidInput(
            "network must be Perceptron() for sample_local_entropy, got a TreeCommittee: at finite K no shell entropy goes with its theory"
        )
    if getattr(learner, "bias", False):
        raise InvalidInput("bias must be False for sample_local_entropy: the counted weights have none")
    if reference == "teacher" and not (isinstance(model.data, Teacher) and isinstance(learner, (Gibbs, Bayes))):
        raise InvalidInput(f"reference 'teacher' needs Teacher data and a Gibbs or Bayes learner, got {model!r}")
    if reference == "learner" and isinstance(learner, Bayes) and isinstance(model.data, Teacher):
        raise InvalidInput(
            "learner Bayes has no single weight vector at finite N with a teacher; use reference='teacher' or a Gibbs learner"
        )


def drawn(model, n, alpha, plan, seed, counted):
    """Instances of the reference's model; `counted` is the kind of weights, the margin and the patterns asked for."""
    kind, margin, patterns = counted
    learner = model.learner
    if patterns is None:
        probe = model if isinstance(model.data, GaussianMixture) else Model(model.data, Gibbs(kind, margin))
        other = default_patterns(model, n) if isinstance(learner, Gibbs) else "gaussian"
        patterns = default_patterns(probe, n) if other == "sign" else "gaussian"
    own = isinstance(learner, Gibbs) or not isinstance(model.data, Teacher)
    return make_instances(model if own else Model(model.data, Gibbs(kind)), n, alpha, count=plan.count, seed=seed, patterns=patterns)


def weights_of_learner(model, instances, sweeps, seed, options) -> np.ndarray:
    """Weights of the learner, one per instance, (count, n) with |w|^2 = n."""
    count, n, learner = instances.count, instances.n, model.learner
    if isinstance(learner, Gibbs):
        from flatphys.finite_size.chains.ensemble import Chains

        channel = sampled_channel(learner.energy, learner.margin, learner.beta)
        betas = choose_betas(None, channel, instances.p)
        own = {**options, "margin": learner.margin, "energy": energy_name(channel)}
        start = starting_weights(instances, betas, np.zeros(2, dtype=bool), own, seed, 1)
        chain = Chains(instances, betas=betas, replicas=2, seed=seed + 500_009, start=start, **own)
        chain.advance(sweeps)
        return np.asarray(chain.weights[:, 0, -1])
    out = np.empty((count, n))
    with one_thread():
        for k in range(count):
            x = instances.patterns[k].T.astype(np.float64)  # the labels are folded in
            w, _ = fit(learner, model.data, x, np.ones(len(x)), instances.alpha)
            out[k] = w * (math.sqrt(n) / np.linalg.norm(w))
    return out


def own(found, model, n, alpha, plan, patterns):
    """The instances of weights of one's own, which must be of this call, and the weights with |w|^2 = N."""
    its = found.instances
    of_call = {
        "model": (its.model, model),
        "n": (its.n, n),
        "alpha": (f"{its.p} patterns", f"{memory.pattern_count(alpha, n)} patterns"),
        "chains": (its.count, plan.count),
    }
    for name, (has, asked) in of_call.items():
        if has != asked:
            per = f" x replicas = {plan.replicas}" if name == "chains" else ""
            raise InvalidInput(f"{name} must be that of the reference's instances, {has!r}{per}, got {asked!r}{per}")
    if patterns is not None:
        raise InvalidInput(f"patterns must be left out: the reference's instances have theirs, got {validate.shown(patterns)}")
    weights = found.weights.astype(np.float64)
    return its, weights * (math.sqrt(n) / np.linalg.norm(weights, axis=1, keepdims=True))
