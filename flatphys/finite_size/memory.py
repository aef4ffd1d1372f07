"""How much memory a run would take: what does not fit into this machine is refused before any of it is asked for."""

import math
import os

from flatphys.errors import InvalidInput

STEPS = 2**62  # of a chain, which the random numbers count


def installed() -> float:
    """Bytes of memory that this machine has (inf where the system does not say)."""
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return math.inf


def pattern_count(alpha: float, n: int) -> int:
    """P = round(alpha n), a number that can be counted."""
    if alpha * n == math.inf:
        raise InvalidInput(f"alpha n patterns must be finitely many, got alpha = {alpha:g} at n = {n}")
    return round(alpha * n)


def instances_fit(count: int, n: int, p: int, kind: str) -> None:
    """Patterns of all instances and of the one that is being drawn."""
    fits((count + 2) * n * p * (1 if kind == "sign" else 4), f"{count} instances of {p:.10g} patterns with n = {n}")


def walkers_fit(walkers: int, n: int, p: int, hidden: int | None = None) -> None:
    """Weights, once as numbers of 8 bytes, and the fields of all chains at all temperatures."""
    fits(walkers * (9 * n + 8 * p * (1 + (hidden or 0))), f"{walkers} chains (with their rungs) of n = {n} weights on {p:.10g} patterns")


def draws_fit(plan, n: int, rungs: int = 1) -> None:
    """Series of the energy at every rung and of what is measured on each chain, and the weights that are kept."""
    if plan.sweeps * n >= STEPS:
        raise InvalidInput(f"sweeps n steps must be fewer than 2^62, got sweeps = {plan.sweeps} at n = {n}")
    what = f"{plan.draws} draws of {plan.chains} chains with n = {n} at {rungs} temperatures (sweeps {plan.sweeps}, every {plan.every})"
    fits(8 * plan.chains * (plan.draws * (rungs + 7) + 7 * n), what)


def training_fits(count: int, n: int, p: int, fresh: int) -> None:
    """One instance as numbers of 4 and of 8 bytes, fresh examples, and the weights and stabilities of all instances."""
    fits(n * p * (4 + 3 * 8) + 2 * 4 * fresh * n + 8 * count * (n + p), f"{count} instances of {p:.10g} patterns with n = {n}, trained,")


def fits(needed: int, what: str) -> None:
    """Refuse `what` if the bytes needed are more than this machine has."""
    most = installed()
    if needed > most:
        raise InvalidInput(f"{what} would need {_size(needed)} of memory, this machine has {_size(most)}: take fewer or smaller ones")


def _size(size: float) -> str:
    size = float(min(max(size, 1), 10**300))
    power = min(int(math.log10(size)) // 3, 6)
    return f"{size / 10.0 ** (3 * power):.3g} {('B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB')[power]}"
