"""Random problems over every model and question: each answer is right by code that shares nothing with the solver, or a clear error.

What is asked and how it is judged: `adversary.draws` and `adversary.checks`.  In this folder `python -m adversary N SEED [QUESTION,...]`
prints everything that is wrong with N problems.
"""

import os

import hypothesis
import pytest
from adversary.checks import CHECKS
from adversary.draws import QUESTIONS, problem
from adversary.harness import judge
from adversary.runner import Worker
from hypothesis import HealthCheck, Phase, strategies

# question -> how many problems the quick test asks: as many as take about a second
SOME = {
    "local_entropy": 3,
    "largest_overlap": 5,
    "replicated_entropy": 4,
    "one_step": 6,
    "freezing_beta": 4,
    "ground_state": 4,
    "zero_crossings": 0,
}
CHEAP = ("solve", "branches", "at_line", "optimal_l2", "separability_threshold", "bayes_error", "relative_flatness")
FIRST = 20  # seed
ASKED = int(os.environ.get("FLATPHYS_PROBLEMS", "100"))  # of the long test; 10^5 take hours
ABOUT = tuple(filter(None, os.environ.get("FLATPHYS_QUESTIONS", "").split(","))) or tuple(QUESTIONS)


def wrong(outcome):
    """What is wrong with an answer; times, which a busy machine stretches, apart."""
    return [(text, outcome.problem) for text in outcome.wrong if not text.startswith("slow: ")]


@pytest.mark.parametrize("question", [name for name in QUESTIONS if SOME.get(name, 1)])
def test_answers_to_random_problems_are_right_or_refused_in_words(question):
    count = SOME.get(question, 24 if question in CHEAP else 10)
    outcomes = [judge(problem(FIRST + i, (question,)), CHECKS) for i in range(count)]
    assert [found for outcome in outcomes for found in wrong(outcome)] == []
    assert any(outcome.checks for outcome in outcomes)


@pytest.mark.nightly
@pytest.mark.long
def test_no_random_problem_of_many_gets_a_wrong_number():
    worker, failed = Worker(), []

    @hypothesis.settings(max_examples=ASKED, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @hypothesis.given(strategies.integers(0, 2**62))
    def ask(seed):
        failed.extend(wrong(worker.ask(problem(seed, ABOUT))))

    ask()
    assert failed == []
