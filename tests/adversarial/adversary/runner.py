"""Random problems one after another in a process of their own, which is ended when a problem takes too long."""

import multiprocessing
import os
import pathlib

from adversary.checks import CHECKS
from adversary.draws import problem
from adversary.harness import Outcome, judge

PATIENCE = 12.0  # seconds of CPU for the answer and its checks
START = 20.0  # more for the first of a process, which loads what is compiled


def _cpu(pid):
    """Seconds of CPU that a process has used, by the kernel's count."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _work(pipe):
    while True:
        try:
            drawn = pipe.recv()
        except EOFError:  # nobody asks any more
            return
        outcome = judge(drawn, CHECKS)
        outcome.answer = None
        pipe.send(outcome)


class Worker:
    """A process that answers problems, ended and started anew when one takes too long or ends it."""

    def __init__(self):
        self.process = None

    def ask(self, drawn, patience=PATIENCE):
        """The outcome of a problem."""
        if self.process is None:
            context = multiprocessing.get_context("spawn")
            self.pipe, other = context.Pipe()
            self.process = context.Process(target=_work, args=(other,), daemon=True)
            self.process.start()
            other.close()
            patience += START
        begun = _cpu(self.process.pid)
        try:
            self.pipe.send(drawn)
            while _cpu(self.process.pid) - begun < patience:
                if self.pipe.poll(0.5):
                    return self.pipe.recv()
            why = f"slow: not answered and checked in {patience:g} s"
        except (EOFError, OSError):
            why = "foreign exception: the process died"
        self.process.kill()
        self.process.join()
        self.process = None
        return Outcome(drawn, "endless", patience, wrong=[why])


def run(count, seed, questions):
    """Yields outcomes."""
    worker = Worker()
    for i in range(count):
        yield worker.ask(problem(seed * 10**7 + i, questions))
