"""What one point of a local entropy may cost, in evaluations of its integrand: the same number on every machine."""

from flatphys.errors import NotConverged

MOST = 2_500_000  # half a second
FLAT = 0.4  # what one costs where no channel is evaluated


class Budget:
    """Evaluations so far, and how many there may be until the point in work is given up."""

    def __init__(self):
        self.spent = 0
        self.renew()

    def reach(self, share: float = 1.0):
        """No more than this share of the budget since the beginning."""
        self.allowed = share * MOST

    def renew(self, share: float = 1.0):
        """Another point, or another way to it, that may take this share of the budget."""
        self.allowed = self.spent + share * MOST

    def spend(self, evaluations: int):
        """Count."""
        self.spent += evaluations

    @property
    def over(self) -> bool:
        """Whether it is used up."""
        return self.spent > self.allowed

    def refusal(self, what: str, advice: str, found: dict) -> NotConverged:
        """What is raised then."""
        return NotConverged(f"{what} is out of reach: {MOST:g} evaluations of its integrand were not enough {advice}", found)
