"""Replicated entropies: bounds by that of all weights, slopes, derivatives with respect to the number of replicas."""

import math

import numpy as np
from adversary.harness import close, value_of, within

import flatphys as fp


def replicated(problem, found):
    """Bounds by all replicas' entropy, slope, and the derivative with respect to y."""
    model, alpha, o = problem.model, problem.alpha, problem.options
    binary = model.learner.weights == "binary"
    whole = value_of(fp.solve, model, alpha)
    for i, d in enumerate(o["distance"]):
        at = f" at distance {d!r}"
        if str(found.status[i]) != "ok":
            yield None if not math.isfinite(found.value[i]) else f"value is {found.value[i]!r} with status {found.status[i]}{at}"
            continue
        for name in ("value", "free_entropy", "slope", "external_entropy", "energy", "train_error", "q0", "residual", "quadrature_error"):
            x = float(getattr(found, name)[i])
            yield f"{name} is {x!r} with status ok{at}" if x != x else None
        yield within(f"value{at}", float(found.value[i]), -math.inf, math.log(2.0) if binary else 0.0, 1e-8)
        if whole is not None and whole.at_eigenvalue is not None and whole.at_eigenvalue > 0.0 and not isinstance(model.data, fp.Teacher):
            yield within(f"free_entropy{at} beside that of all weights", float(found.free_entropy[i]), -math.inf, whole.free_entropy, 1e-8)
        if i:
            continue
        h = 2e-3 * min(d, 0.5 - d)
        near = value_of(fp.replicated_entropy, model, alpha, distance=[d + k * h for k in (-2, -1, 1, 2)], y=o["y"])
        if near is not None and np.isfinite(near.free_entropy).all():
            f = near.free_entropy
            slope = -0.5 * float(f[0] - 8.0 * f[1] + 8.0 * f[2] - f[3]) / (12.0 * h)
            coarse = -0.5 * float(f[2] - f[1]) / (2.0 * h)
            yield close(f"slope{at}", float(found.slope[i]), slope, 1e-6, 0.1 * abs(slope - coarse) + 1e-9 / h)
        if 1.05 < o["y"] < math.inf:
            y, g = o["y"], []
            for k in (-2, -1, 1, 2):
                one = value_of(fp.replicated_entropy, model, alpha, distance=[d], y=y * (1.0 + 2e-3 * k))
                if one is None or str(one.status[0]) != "ok":
                    return
                g.append(float(one.free_entropy[0]))
            by_y = (g[0] - 8.0 * g[1] + 8.0 * g[2] - g[3]) / (12.0 * 2e-3 * y)
            yield close(f"external_entropy{at}", float(found.external_entropy[i]), -y * y * by_y, 1e-6, 1e-7 * y * (1.0 + abs(g[0])))


def vanishing(problem, y):
    """The external entropy vanishes there."""
    d = problem.options["distance"]
    found = value_of(fp.replicated_entropy, problem.model, problem.alpha, distance=[d], y=y)
    if found is None or str(found.status[0]) != "ok":
        return
    if y == math.inf:
        yield within("external_entropy at y = inf", float(found.external_entropy[0]), 0.0, math.inf, 1e-7)
    else:
        yield close("external_entropy", float(found.external_entropy[0]), 0.0, 0.0, 1e-6)
