"""The networks that a training starts from: a module's own weights, or what a function builds once for each replica."""

import numpy as np
import torch
from torch import nn

from flatphys import validate
from flatphys.deep.evaluate import generator_kept
from flatphys.errors import InvalidInput

TOGETHER = (
    "gamma must be a number where the replicas start together, from a module or with starts='common': give gamma, or a function that "
    "builds another network each time"
)


def mixed(*numbers) -> int:
    """A seed of torch's from several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


def seed_everywhere(seed: int) -> None:
    """Seed torch's global generators (`torch.manual_seed` would also walk the stack, a millisecond, where CUDA has not begun)."""
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)


def built(networks, algorithm, rows) -> list[nn.Module]:
    """The networks that the rows start from, one for each."""
    found, y = [], algorithm.rows
    for k, (seed, replica) in enumerate(rows):
        given = networks[(k // y) % len(networks)]
        together = isinstance(given, nn.Module) or getattr(algorithm, "starts", "") == "common"
        if together and y > 1 and algorithm.gamma is None:
            raise InvalidInput(TOGETHER)
        if isinstance(given, nn.Module):
            found.append(given)
        elif replica and together:
            found.append(found[k - replica])
        else:
            found.append(_build(given, seed, replica))
    shapes = {tuple((name, tuple(w.shape)) for name, w in one.named_parameters()) for one in found}
    if len(shapes) > 1:
        raise InvalidInput("network must be built with the same layers every time, got parameters of different shapes")
    return found


def _build(builder, seed, replica) -> nn.Module:
    if not callable(builder):
        raise InvalidInput(f"network must be a torch module or a function that builds one, got {validate.shown(builder)}")
    with generator_kept():
        seed_everywhere(mixed(seed, replica))
        found = builder()
    if not isinstance(found, nn.Module):
        raise InvalidInput(f"network must be a function that returns a torch module, it returned {validate.shown(found)}")
    return found
