"""The report of agreement: every prediction that simulation can test (`cases`), beside a simulation, in one command.

`flatphys check --report DIR` runs the cases and writes DIR/report.md (tables), DIR/rows.csv (all rows), one figure per
case and one of all z-scores.
"""

import csv
import math
import pathlib
import time
import warnings

import numpy as np

from flatphys.comparison.cases import full_cases, quick_cases
from flatphys.errors import InterruptedRunWarning, NotMixedWarning


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
