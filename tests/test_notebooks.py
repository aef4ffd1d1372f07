"""The notebooks run from top to bottom without a warning, and say what their kept outputs say."""

import concurrent.futures
import decimal
import pathlib
import re
import subprocess
import sys

import pytest

FOLDER = pathlib.Path(__file__).parent.parent / "notebooks"
NAMES = sorted(path.stem for path in FOLDER.glob("*.ipynb"))
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
SIZE, LINE = 500_000, 160  # bytes of a file, characters of a line
CLOSE, SMALL = 2e-3, 1e-6  # relative and absolute: the last digits of an optimiser differ between machines

nbformat = pytest.importorskip("nbformat")  # comes with the test extra
pytest.importorskip("nbclient")


def read(name, folder=FOLDER):
    return nbformat.read(folder / f"{name}.ipynb", as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def texts(cell) -> str:
    """What a cell prints and returns, without its figures."""
    parts = []
    for output in cell.outputs:
        parts.append(output.text if output.output_type == "stream" else output.get("data", {}).get("text/plain", ""))
    return "\n".join(parts)


def figures(cell) -> int:
    return sum("image/png" in output.get("data", {}) for output in cell.outputs)


def same(kept: str, fresh: str) -> bool:
    """Equal texts but for rounding in their numbers."""
    words = [re.sub(r"\s+", " ", NUMBER.sub("#", text)) for text in (kept, fresh)]
    numbers = [[(word, float(word)) for word in NUMBER.findall(text)] for text in (kept, fresh)]
    if words[0] != words[1] or len(numbers[0]) != len(numbers[1]):
        return False
    return all(abs(a - b) <= max(CLOSE * abs(a), SMALL, 1.1 * last_digit(word)) for (word, a), (_, b) in zip(*numbers))


def last_digit(word: str) -> float:
    """What the last digit of a printed number is worth; 0 for whole numbers, which count something."""
    return 0.0 if word.lstrip("+-").isdigit() else 10.0 ** decimal.Decimal(word).as_tuple().exponent


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Name -> the future of its executed notebook, two kernels at a time, each started by a process of its own."""
    folder = tmp_path_factory.mktemp("notebooks")

    def run(name):
        command = [sys.executable, str(FOLDER / "execute.py"), str(FOLDER / f"{name}.ipynb"), "--to", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return read(name, folder)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        yield {name: pool.submit(run, name) for name in reversed(NAMES)}  # the last one takes longest: two losses are compiled


def test_there_is_a_line_for_every_notebook_in_the_folders_readme():
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert len(NAMES) == 7
    for name in NAMES:
        assert text.count(f"({name}.ipynb)") == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_kept_executed_in_order_and_clean(name):
    notebook = read(name)
    nbformat.validate(notebook)
    assert (FOLDER / f"{name}.ipynb").stat().st_size < SIZE
    assert notebook.metadata.kernelspec.name == "python3"
    assert [cell.execution_count for cell in code_cells(notebook)] == list(range(1, len(code_cells(notebook)) + 1))
    for cell in code_cells(notebook):
        for output in cell.outputs:
            assert output.output_type != "error" and output.get("name") != "stderr"
            if output.output_type == "execute_result":
                assert output.execution_count == cell.execution_count
    assert sum(figures(cell) for cell in code_cells(notebook)) >= 2
    whole = (FOLDER / f"{name}.ipynb").read_text(encoding="utf-8")
    assert not re.search(r"/home/|/root/|/work/|/tmp/|/Users/|[A-Z]:\\\\", whole)


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_written_in_ascii_and_links_only_to_what_is_there(name):
    notebook = read(name)
    for cell in notebook.cells:
        assert cell.source.isascii()
        assert max(map(len, cell.source.splitlines())) <= LINE
    for target in re.findall(r"\]\(([^)]+\.ipynb)\)", "\n".join(cell.source for cell in notebook.cells)):
        assert (FOLDER / target).is_file()


@pytest.mark.parametrize(
    ("kept", "fresh", "expected"),
    [
        ("q 0.3223853632", "q  0.3223853631", True),
        ("q 0.3223853632", "q 0.3253853632", False),
        ("residual 1.3e-15", "residual 4.1e-16", True),
        ("z -0.5", "z -0.4", True),
        ("z -0.5", "z -0.1", False),
        ("16 rows", "17 rows", False),
        ("phase sat", "phase unsat", False),
    ],
)
def test_outputs_are_compared_up_to_rounding(kept, fresh, expected):
    assert same(kept, fresh) is expected


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_without_a_warning_and_says_what_it_said(name, runs):
    kept, fresh = code_cells(read(name)), code_cells(runs[name].result())
    assert len(kept) == len(fresh)
    for before, now in zip(kept, fresh):
        assert not [output for output in now.outputs if output.get("name") == "stderr"], now.source
        assert same(texts(before), texts(now)), f"{before.source}\n--- kept\n{texts(before)}\n--- now\n{texts(now)}"
        assert figures(before) == figures(now)


def test_the_notebooks_colours_are_those_of_the_gallery():
    import matplotlib

    from flatphys.plotting import style

    look = matplotlib.rc_params_from_file(FOLDER / "flatphys.mplstyle", use_default_template=False)
    assert look["axes.prop_cycle"].by_key()["color"] == list(style.CYCLE)
