"""The report of agreement: every prediction that simulation can test, beside a simulation, in one command.

`flatphys check --report DIR` runs the cases below and writes DIR/report.md (tables), DIR/rows.csv (all rows), one figure per
case and one of all z-scores.  Sizes were chosen by what equilibrates: single flips of binary weights cost about sqrt(N) violations, so
that large loads and betas are sampled at small N with a ladder, and small ones at N up to 2001.  Where O(1/N) is visible beside the error,
several sizes are extrapolated by a polynomial in 1/N; no allowance is made for it anywhere.
"""

import csv
import math
import pathlib
import time
import warnings
from dataclasses import dataclass, field

import numpy as np

from flatphys.comparison.check import CheckReport, check
from flatphys.errors import InterruptedRunWarning, NotMixedWarning
from flatphys.model import ERM, GaussianMixture, Gibbs, MaxMargin, Model, RandomLabels, Teacher


@dataclass(frozen=True)
class Case:
    """One comparison: a model at a load, the sizes and options of its simulation.

    `distance` or `overlap` in `around` makes it a local entropy (`reference` "teacher" or "learner").
    """

    name: str
    title: str
    model: Model
    alpha: float
    sizes: tuple
    options: dict
    around: dict = field(default_factory=dict)
    seed: int = 1
    order: int = 1  # of the extrapolation in 1/N

    def run(self, bound: float, device: str, threads) -> CheckReport:
        """Sample, solve, compare."""
        from flatphys.finite_size.integrate import sample_local_entropy
        from flatphys.finite_size.sampling import sample
        from flatphys.observables.local_entropy import local_entropy, teacher_state
        from flatphys.saddle.dispatch import solve

        options = {"seed": self.seed, "device": device, "threads": threads, **self.options}
        if not self.around:
            runs = [sample(self.model, n, self.alpha, **options) for n in self.sizes]
            return check(solve(self.model, runs[-1].alpha), runs, bound, order=self.order)
        runs = [sample_local_entropy(self.model, n, self.alpha, **self.around, **options) for n in self.sizes]
        last = runs[-1]
        state = (teacher_state if last.reference == "teacher" else solve)(self.model, last.alpha)
        return check(local_entropy(state, overlap=last.overlap, margin=last.margin, beta=last.beta), runs, bound, order=self.order)


def _storage(weights, alpha, beta, sizes, order=1, **options):
    return Case(
        f"{weights}-{alpha:g}-{beta:g}",
        f"random labels, {weights} weights, alpha = {alpha:g}, beta = {beta:g}",
        Model(RandomLabels(), Gibbs(weights, beta=beta)),
        alpha,
        sizes,
        options,
        order=order,
    )


def _student(alpha, beta, start, sizes, **options):
    label = "infinity" if beta == math.inf else f"{beta:g}"
    return Case(
        f"teacher-{alpha:g}-{beta:g}-{start}",
        f"binary teacher and student, alpha = {alpha:g}, beta = {label}, start: {'teacher' if start == 'cold' else 'random'}",
        Model(Teacher(), Gibbs("binary", beta=beta)),
        alpha,
        sizes,
        {"start": start, **options},
    )


MIXTURE = GaussianMixture()


def full_cases() -> list[Case]:
    """The whole list: twelve minutes on one thread of a shared machine (2026-11-21)."""
    teacher = Model(Teacher(), Gibbs("binary"))
    return [
        _storage("binary", 0.5, 0.5, (2001,), chains=64, sweeps=400),
        _storage("binary", 0.5, 1.0, (1001,), chains=64, sweeps=1200),
        _storage("binary", 0.5, 2.0, (301,), chains=64, sweeps=3000),
        _storage("binary", 1.0, 0.5, (1001,), chains=64, sweeps=800),
        _storage("binary", 1.0, 1.0, (501,), chains=128, sweeps=2000),
        _storage("binary", 1.0, 2.0, (41, 81, 121), chains=128, sweeps=5000, patterns="gaussian"),
        _storage("binary", 2.0, 0.5, (501,), chains=128, sweeps=800),
        _storage("binary", 2.0, 1.0, (301,), chains=64, sweeps=6000),
        # close to the freezing at beta = 2.69 flips find no equilibrium in larger systems, and 1/N^2 is visible in those of tens of weights
        _storage("binary", 2.0, 2.0, (11, 15, 21, 31, 41), order=2, chains=256, sweeps=6000, patterns="gaussian"),
        _storage("spherical", 0.5, 0.5, (1000,), chains=32, sweeps=600),
        _storage("spherical", 0.5, 1.0, (500,), chains=64, sweeps=1000),
        _storage("spherical", 0.5, 2.0, (200,), chains=64, sweeps=1500),
        _storage("spherical", 1.0, 0.5, (500,), chains=64, sweeps=600),
        _storage("spherical", 1.0, 1.0, (300,), chains=64, sweeps=2000),
        _storage("spherical", 1.0, 2.0, (150,), chains=64, sweeps=3000),
        _storage("spherical", 2.0, 0.5, (300,), chains=64, sweeps=1000),
        _storage("spherical", 2.0, 1.0, (150,), chains=64, sweeps=3000),
        _storage("spherical", 2.0, 2.0, (100,), chains=64, sweeps=4000),
        _student(0.5, 1.0, "hot", (501,), chains=64, sweeps=1500),
        _student(0.5, 1.0, "cold", (501,), chains=64, sweeps=1500),
        _student(0.9, 1.0, "hot", (501,), chains=64, sweeps=3000),
        _student(0.9, 1.0, "cold", (201,), chains=64, sweeps=6000),
        _student(0.5, math.inf, "hot", (31, 51, 71), chains=128, sweeps=5000, patterns="gaussian"),
        _student(0.9, 2.0, "hot", (201,), chains=64, sweeps=6000),
        Case(
            "mixture-logistic",
            "Gaussian mixture, logistic loss, l2 = 0.1, alpha = 2",
            Model(MIXTURE, ERM("logistic", 0.1)),
            2.0,
            (2000,),
            {"chains": 24},
        ),
        Case(
            "mixture-square",
            "Gaussian mixture, square loss, l2 = 1, alpha = 1",
            Model(MIXTURE, ERM("square", 1.0)),
            1.0,
            (1000,),
            {"chains": 32},
        ),
        Case(
            "mixture-bias",
            "unbalanced mixture, logistic loss with a bias, l2 = 0.1, alpha = 2",
            Model(GaussianMixture(positive=0.3), ERM("logistic", 0.1, True)),
            2.0,
            (1000,),
            {"chains": 32},
        ),
        Case(
            "mixture-max-margin",
            "Gaussian mixture, maximum margin, alpha = 2",
            Model(MIXTURE, MaxMargin()),
            2.0,
            (100, 200, 400),
            {"chains": 64},
        ),
        Case(
            "teacher-logistic",
            "teacher, logistic loss, l2 = 0.1, alpha = 2",
            Model(Teacher(), ERM("logistic", 0.1)),
            2.0,
            (1000,),
            {"chains": 32},
        ),
        Case(
            "around-teacher",
            "local entropy around the teacher, binary weights, alpha = 0.5",
            teacher,
            0.5,
            (201,),
            {"chains": 64, "sweeps": 2000},
            {"reference": "teacher", "distance": [0.05, 0.1, 0.2]},
        ),
        Case(
            "around-minimiser",
            "local entropy around a logistic minimiser, l2 = 0.1, alpha = 0.5",
            Model(MIXTURE, ERM("logistic", 0.1)),
            0.5,
            (101, 201, 401),
            {"chains": 48, "sweeps": 1000},
            {"overlap": [0.7, 0.8, 0.9]},
        ),
        Case(
            "around-student",
            "local entropy around weights drawn at beta = 1, random labels, alpha = 0.5",
            Model(RandomLabels(), Gibbs("binary", beta=1.0)),
            0.5,
            (301,),
            {"chains": 48, "sweeps": 600},
            {"overlap": [0.4, 0.6, 0.8], "beta": 1.0},
        ),
    ]


def quick_cases() -> list[Case]:
    """One case of every kind, small: about a minute."""
    return [
        _storage("binary", 0.5, 0.5, (501,), chains=32, sweeps=300),
        _storage("binary", 1.0, 1.0, (201,), chains=32, sweeps=800),
        _storage("spherical", 0.5, 1.0, (200,), chains=32, sweeps=600),
        _student(0.5, 1.0, "hot", (201,), chains=32, sweeps=600),
        _student(0.5, 1.0, "cold", (201,), chains=32, sweeps=600),
        Case(
            "mixture-logistic",
            "Gaussian mixture, logistic loss, l2 = 0.1, alpha = 2",
            Model(MIXTURE, ERM("logistic", 0.1)),
            2.0,
            (400,),
            {"chains": 16},
        ),
        Case(
            "around-teacher",
            "local entropy around the teacher, binary weights, alpha = 0.5",
            Model(Teacher(), Gibbs("binary")),
            0.5,
            (201,),
            {"chains": 16, "sweeps": 400},
            {"reference": "teacher", "distance": [0.05, 0.1, 0.2]},
        ),
        Case(
            "around-minimiser",
            "local entropy around a logistic minimiser, l2 = 0.1, alpha = 0.5",
            Model(MIXTURE, ERM("logistic", 0.1)),
            0.5,
            (151,),
            {"chains": 16, "sweeps": 400},
            {"overlap": [0.7, 0.8, 0.9]},
        ),
    ]


def write_report(folder, quick: bool = False, bound: float = 4.0, device: str = "auto", threads=None, say=print, cases=None):
    """Run every case and write report.md, rows.csv and figures into `folder`; returns (path of report.md, whether all passed).

    The report is rewritten after every case, so that an interruption keeps those that are done.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    cases = (quick_cases() if quick else full_cases()) if cases is None else list(cases)
    done = []
    for number, case in enumerate(cases, 1):
        start = time.perf_counter()
        with warnings.catch_warnings():
            # what has not mixed stands in the report, beside the numbers
            warnings.simplefilter("ignore", NotMixedWarning)
            warnings.simplefilter("error", InterruptedRunWarning)
            answer = case.run(bound, device, threads)
        seconds = time.perf_counter() - start
        done.append((case, answer, seconds))
        say(f"[{number}/{len(cases)}] {case.title}: {answer.verdict()}{' (NOT MIXED)' if _unmixed(answer) else ''} [{seconds:.0f} s]")
        _figure(answer, folder / f"{case.name}.png")
        _write_tables(folder, done, len(cases), bound, device)
    _overview(done, folder / "z-scores.png", bound)
    return folder / "report.md", all(answer.passed for _, answer, _ in done)


def _unmixed(answer) -> list[str]:
    return [text for run in answer.runs for text in run.complaints]


def _write_tables(folder, done, total, bound, device):
    import datetime
    import platform

    import flatphys

    every = [(case, row) for case, answer, _ in done for row in answer.rows]
    z = np.array([row.z for _, row in every])
    failed = [(case, row) for case, row in every if not abs(row.z) <= bound]
    lines = [
        "# Theory beside simulation",
        "",
        f"flatphys {flatphys.__version__}, {datetime.date.today()}, {platform.machine()}, device {device}: {len(done)} of {total} "
        f"cases, {len(every)} quantities.",
        f"Largest |z| = {np.nanmax(np.abs(z)):.2f}, root mean square {math.sqrt(np.nanmean(z * z)):.2f} (1 for errors that are "
        "Gaussian and complete; quantities of a case are correlated).",
        f"{len(failed)} beyond the bound {bound:g}"
        + (": " + "; ".join(f"{case.name} {row.quantity}" for case, row in failed) if failed else "."),
        "",
        "z = (simulation - theory)/error; errors are standard errors over instances. N with several values: extrapolated by a + "
        "b/N (+ c/N^2 where stated). No other allowance.",
        "",
        "![all z-scores](z-scores.png)",
        "",
        "| case | N | quantities | largest z | seconds | mixed |",
        "|---|---|---|---|---|---|",
    ]
    for case, answer, seconds in done:
        worst = answer.worst
        lines.append(
            f"| {case.title} | {', '.join(map(str, case.sizes))} | {len(answer.rows)} | {worst.z:+.2f} ({worst.quantity}) | "
            f"{seconds:.0f} | {'no' if _unmixed(answer) else 'yes'} |"
        )
    for case, answer, _ in done:
        lines += [
            "",
            f"## {case.title}",
            "",
            f"N = {', '.join(map(str, case.sizes))}; {', '.join(f'{k} = {v}' for k, v in case.options.items())}; seed {case.seed}"
            + (f"; order {case.order} in 1/N" if case.order > 1 else ""),
            "",
        ]
        header, rows = answer.table()
        lines += ["| " + " | ".join(header[:5]) + " |", "|---|---|---|---|---|"]
        lines += ["| " + " | ".join(row[:4] + [f"**{row[4]}**" if row[5] else row[4]]) + " |" for row in rows]
        lines += ["", *[f"* not mixed: {text}" for text in _unmixed(answer)], "", f"![{case.title}]({case.name}.png)"]
    (folder / "report.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with open(folder / "rows.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["case", "n", "quantity", "theory", "simulation", "error", "z"])
        for case, row in every:
            writer.writerow([case.name, " ".join(map(str, case.sizes)), row.quantity, row.theory, row.simulation, row.error, row.z])


def _figure(answer, path):
    from flatphys.plotting import style

    with style.paper():
        figure, axes = style.panels(1, 2, width=style.PAGE, height=2.8)
        answer.draw_on(axes)
        style.save_figure(figure, path)


def _overview(done, path, bound):
    """All z-scores: by case, and their distribution function beside the normal one."""
    from flatphys.plotting import style

    with style.paper():
        figure, (left, right) = style.panels(1, 2, width=style.PAGE, height=max(2.8, 0.16 * len(done) + 0.8), width_ratios=(2.0, 1.0))
        for place, (_, answer, _) in enumerate(reversed(done)):
            left.plot([row.z for row in answer.rows], [place] * len(answer.rows), "o", ms=2.2, color=style.BLUE, alpha=0.6, mew=0)
        left.axvspan(-bound, bound, color=style.BLUE, alpha=0.08, lw=0)
        left.axvline(0.0, color=style.GREY, lw=0.6)
        left.set_yticks(range(len(done)), [case.name for case, _, _ in reversed(done)], fontsize=6.0)
        left.set(xlabel="(simulation - theory) / error", xlim=(-1.3 * bound, 1.3 * bound), ylim=(-0.7, len(done) - 0.3))
        z = np.sort([row.z for _, answer, _ in done for row in answer.rows])
        grid = np.linspace(-bound, bound, 200)
        right.plot(grid, [0.5 * math.erfc(-x / math.sqrt(2.0)) for x in grid], color=style.GREY, lw=1.0, label="standard normal")
        right.step(z, (np.arange(z.size) + 0.5) / z.size, color=style.VERMILION, lw=1.0, where="mid", label=f"{z.size} z-scores")
        right.set(xlabel="z", ylabel="fraction below", xlim=(-bound, bound), ylim=(0.0, 1.0))
        right.legend(loc="upper left")
        style.save_figure(figure, path)
