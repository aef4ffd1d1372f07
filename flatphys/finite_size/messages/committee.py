"""Committees in message passing: which ones have messages, and their patterns signed so that every unit's output is to be +1."""

import numpy as np

from flatphys.errors import InvalidInput
from flatphys.finite_size.hidden import output_signs
from flatphys.finite_size.instances import Instances
from flatphys.model import Gibbs, TreeCommittee


def check_committee(learner: Gibbs, hidden: int | None, what: str, margin: float | None = None, energy: str | None = None) -> None:
    """`InvalidInput` for a committee without messages; margin and energy of the weights that are counted, default the learner's."""
    network = learner.network
    if not isinstance(network, TreeCommittee):
        return
    if network.activation != "sign" or not hidden or not hidden % 2:
        raise InvalidInput(
            f"network must be a committee with an odd number of sign units for {what}, got {network!r} with hidden = {hidden}"
        )
    margin, energy = learner.margin if margin is None else margin, learner.energy if energy is None else energy
    if margin != 0.0 or energy != "errors":
        raise InvalidInput(f"margin must be 0 and energy 'errors' for a committee's messages, got {margin!r}, {energy!r}")


def unit_signs(instances: Instances, k: int) -> np.ndarray:
    """(K, P): what the patterns of every unit are multiplied by, the label times the unit's output weight."""
    return output_signs(instances.hidden)[:, None] * instances.labels[k]


def signed_patterns(instances: Instances, k: int) -> np.ndarray:
    """(N, P) of instance k: every unit is right where its weights have a positive field on them."""
    x = instances.patterns[k]
    if instances.hidden is None:
        return x
    units = x.reshape(instances.hidden, -1, instances.p)
    return (units * unit_signs(instances, k).astype(x.dtype)[:, None]).reshape(x.shape)
