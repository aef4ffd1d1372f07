"""Flags of losses and energies: each is what the loss itself does, asked at points."""

import math

import pytest

from flatphys.kernels.channels import CODES as ENERGY_CODES
from flatphys.kernels.cost import cost
from flatphys.kernels.losses import CODES, point
from flatphys.kernels.traits import energy_traits, loss_traits
from flatphys.model import ENERGIES, LOSSES

NEAR = 1e-9


def shape(loss):
    """(exact_fit, margin_fit, kinked, quadratic, bend) seen from values; `loss` maps t to a number."""
    below, above = [1.0 - x for x in (0.3, 1.0, 2.7, 6.0)], [1.0 + x for x in (0.3, 1.0, 2.7, 6.0)]
    least = loss(1.0 + NEAR) <= 1e-12
    exact, margin = least and all(loss(t) > 0.0 for t in below + above), least and not any(map(loss, above))
    slopes = [(loss(1.0 + side * 2.0 * NEAR) - loss(1.0 + side * NEAR)) / (side * NEAR) for side in (-1.0, 1.0)]
    kinked = abs(loss(1.0 - NEAR) - loss(1.0 + NEAR)) > 1e-6 or abs(slopes[0] - slopes[1]) > 1e-5
    quadratic = all(abs(loss(t) - 0.5 * (1.0 - t) ** 2) < 1e-12 for t in below + above)
    bends = [round((loss(t + 1e-3) - 2.0 * loss(t) + loss(t - 1e-3)) / 1e-6, 6) for t in below]
    return exact, margin, kinked, quadratic, bends[0] if len(set(bends)) == 1 else math.nan


def same(traits, seen):
    return traits[:-1] == seen[:-1] and (traits.bend == seen[-1] or traits.bend != traits.bend and seen[-1] != seen[-1])


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_has_the_flags_of_its_values(name):
    assert same(loss_traits(name), shape(lambda t: point(CODES[name], t)[0]))


@pytest.mark.parametrize("name", ENERGIES)
def test_an_energy_has_the_flags_of_its_values(name):
    assert same(energy_traits(name), shape(lambda t: cost(ENERGY_CODES[name], 1.0 - t)))


def test_a_loss_that_is_not_listed_is_an_error():
    with pytest.raises(KeyError):
        loss_traits("absolute")
