"""Everything that is measured on a trained network, as named numbers: the columns of comparisons and correlations."""

import math

import torch

from flatphys import validate
from flatphys.deep.curvature import relative_flatness
from flatphys.deep.evaluate import BATCH, checked, copied, error_and_loss, placed
from flatphys.deep.losses import loss_of
from flatphys.deep.noise import local_energy
from flatphys.errors import InvalidInput

SIGMA = (0.2, 0.5)
UNITS = {
    "train_error": "share of the training examples that are wrong",
    "test_error": "share of the test examples that are wrong",
    "train_loss": "mean loss of the training examples",
    "test_loss": "mean loss of the test examples",
    "gap": "test error - training error",
    "gap_loss": "test loss - training loss",
    "local_energy": "rise of the training error under relative noise",
    "local_energy_loss": "rise of the training loss under relative noise",
    "relative_flatness": "sum_ss' <w_s, w_s'> Tr H_ss' of the last layer",
    "trace": "trace of the last layer's Hessian",
    "norm": "length of the vector of all weights",
    "margin": "mean lead of the right output over the best other",
    "distance": "mean squared distance of the replicas to their centre",
    "gradients": "gradients of examples",
    "seconds": "seconds of one run (stacked runs: their share)",
}


def measures(network, data, sigma=SIGMA, draws: int = 32, seed: int = 0, loss="cross-entropy") -> dict:
    """Errors and losses, the gap between test and training, local energy at each sigma, relative flatness and trace of the last layer, the
    norm of the weights and the mean margin.

    Parameters
    ----------
    network : torch.nn.Module
    data : Data
    sigma : array of floats >= 0
        Noise of the local energy.
    draws : int >= 2
        Of the noise, and of Hutchinson's estimate where the last layer has no closed form.

    Returns
    -------
    dict of floats; `local_energy` and `local_energy_loss` are arrays along sigma.  Test values are nan without test examples.
    """
    sigma = validate.array("sigma", sigma, 0.0, math.inf, "[", dimensions=1)
    one, measure = copied(network), loss_of(loss)
    data = placed(one, data)
    checked(one, data, measure)
    out = dict(zip(("train_error", "train_loss"), error_and_loss(one, data.train_x, data.train_y, measure)))
    tests = (math.nan, math.nan) if data.test_x is None else error_and_loss(one, data.test_x, data.test_y, measure)
    out |= dict(zip(("test_error", "test_loss"), tests))
    out |= {"gap": out["test_error"] - out["train_error"], "gap_loss": out["test_loss"] - out["train_loss"]}
    risen = local_energy(one, data, sigma, draws, seed, statistics="recompute", loss=loss)
    out |= {"local_energy": risen.value.reshape(-1), "local_energy_loss": risen.loss.reshape(-1)}
    flatness = relative_flatness(one, data, loss=loss, draws=draws, seed=seed)
    out |= {"relative_flatness": flatness.value, "trace": flatness.trace}
    out["norm"] = math.sqrt(sum(float(w.double().square().sum()) for w in one.parameters()))
    return out | {"margin": _margin(one, data.train_x, data.train_y)}


@torch.no_grad()
def _margin(network, x, y) -> float:
    """The mean over examples of output_y - max of the others; of one output, (2y - 1) output."""
    total = 0.0
    for part_x, part_y in zip(x.split(BATCH), y.split(BATCH)):
        output = network(part_x).double()
        if output.shape == part_y.shape or output.shape[1] == 1:
            total += float(((2 * part_y - 1) * output.reshape(part_y.shape)).sum())
            continue
        mine = output.gather(1, part_y[:, None])
        total += float((mine[:, 0] - output.scatter(1, part_y[:, None], -math.inf).max(dim=1).values).sum())
    return total / len(y)


def check_sigma(sigma) -> tuple:
    """Strengths of noise as a tuple, without the two that are one."""
    found = tuple(map(float, validate.array("sigma", sigma, 0.0, math.inf, "[", dimensions=1).ravel()))
    if len(set(found)) < len(found):
        raise InvalidInput(f"sigma must not hold a value twice, got {validate.shown(sigma)}")
    return found
