"""python -m adversary N [seed] [question,...]: N random problems, what came of them, and everything that is wrong."""

import collections
import re
import sys
import time

from adversary.draws import QUESTIONS
from adversary.runner import run

NUMBER = re.compile(r"-?\d+\.?\d*(e[-+]?\d+)?")


def main(count, seed=0, questions=None):
    questions = tuple(questions.split(",")) if questions else tuple(QUESTIONS)
    start, tally, kinds, checks = time.time(), collections.Counter(), collections.Counter(), 0
    cpu = collections.Counter()
    for outcome in run(int(count), int(seed), questions):
        name = outcome.problem.question
        tally[name, outcome.status] += 1
        cpu[name] += outcome.seconds
        checks += outcome.checks
        seen = set()
        for text in outcome.wrong:
            kind = NUMBER.sub("#", text.split(" is ")[0].split(": ")[0])[:80]
            if kind in seen:
                continue
            seen.add(kind)
            kinds[name, kind] += 1
            print("WRONG", name, "|", text[:400], "|", outcome.problem, flush=True)
        if outcome.status in ("InvalidInput", "NotConverged"):
            print(outcome.status, name, "|", outcome.message[:300], "|", outcome.problem, flush=True)
    print(f"{sum(tally.values())} problems, {checks} checks, {time.time() - start:.0f} s")
    for (name, status), n in sorted(tally.items()):
        print(f"{name:>24} {status:<14} {n:>7}  {cpu[name]:8.1f} s")
    for (name, kind), n in kinds.most_common():
        print(f"{n:>7} {name}: {kind}")


if __name__ == "__main__":
    main(*sys.argv[1:])
