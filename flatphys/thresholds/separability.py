"""Separability: up to which load some weights classify every training pattern correctly."""

from flatphys import validate
from flatphys.errors import InvalidInput
from flatphys.model import RANDOM_RULES, GaussianMixture, RandomLabels, Teacher
from flatphys.saddle.minimiser.largest_margin import separability


def separability_threshold(data: GaussianMixture | Teacher, bias: bool = False) -> float:
    """The load up to which some weights (and bias) classify every training pattern correctly.

    Parameters
    ----------
    data : GaussianMixture or Teacher
        Any class balance; with a teacher math.inf unless labels are flipped.
    bias : bool
        Whether a bias is available (mixture).

    Sources: Mignacco et al. ICML 2020; Candes & Sur, Annals of Statistics 48 (2020) 27.
    """
    if isinstance(data, RandomLabels):
        raise InvalidInput(f"data must be GaussianMixture or Teacher, got RandomLabels() ({RANDOM_RULES})")
    validate.instance("data", data, (GaussianMixture, Teacher))
    if validate.flag("bias", bias) and isinstance(data, Teacher):
        raise InvalidInput("bias must be False on Teacher data, got True: its labels are balanced and its rule has no bias")
    return separability(data, bias)
