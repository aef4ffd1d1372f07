"""The command line in odd surroundings: one sentence and an exit status, never a traceback."""

import os
import subprocess
import sys

import pytest

shell = pytest.mark.skipif(os.name != "posix", reason="redirections of a shell")


def run(words, redirected="", **environment):
    """(exit status, stdout, stderr) of a command in a shell."""
    command = f'"{sys.executable}" -m flatphys {words} {redirected}'
    done = subprocess.run(command, shell=True, env={**os.environ, **environment}, capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


@shell
@pytest.mark.parametrize(
    ("words", "redirected", "environment", "said"),
    [
        ("solve 0.5", ">&-", {}, "error: standard output is closed"),
        ("solve 0.5", ">/dev/full", {}, "error: cannot write the output: No space left on device"),
        ("solve 0.5", "", {"NUMBA_NUM_THREADS": "0"}, "error: numba cannot be loaded"),
    ],
)
def test_what_cannot_work_is_one_sentence(words, redirected, environment, said):
    if "/dev/full" in redirected and not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    status, _, errors = run(words, redirected, **environment)
    assert status == 1 and errors.startswith(said) and errors.count("\n") == 1


@shell
def test_a_closed_standard_error_is_done_without():
    assert run("supported", "2>&-")[0] == 0


def test_a_notebooks_backend_does_not_matter(tmp_path):
    status, _, errors = run(f'curve --alpha 0.1:0.5:3 --plot "{tmp_path / "a.png"}"', MPLBACKEND="module://not_installed.backend_inline")
    assert status == 0 and (tmp_path / "a.png").stat().st_size > 1000, errors


def test_a_default_store_that_cannot_be_used_is_said_once_and_done_without(tmp_path):
    (tmp_path / "s.sqlite").write_text("notes\n" * 1000)
    status, out, errors = run("sweep --alpha 0.2:0.4:3", FLATPHYS_STORE=str(tmp_path / "s.sqlite"))
    assert status == 0 and len(out.splitlines()) == 4 and errors.count("warning: results are not kept: ") == 1
    status, _, errors = run(f'sweep --alpha 0.2:0.4:3 --store "{tmp_path / "s.sqlite"}"')
    assert status == 1 and "is damaged" in errors  # asked for by name, it is an error


def test_check_names_what_is_damaged_and_mends_it(tmp_path):
    import sqlite3

    store = f'--store "{tmp_path / "s.sqlite"}"'
    assert run(f"sweep --alpha 0.2:0.4:3 {store}")[0] == 0
    assert run(f"store check {store}")[:2] == (0, f"{tmp_path / 's.sqlite'}: 3 points, 0 damaged\n")
    db = sqlite3.connect(tmp_path / "s.sqlite")
    db.execute("UPDATE point SET message = 'x' WHERE place = (SELECT min(place) FROM point)")
    db.commit()
    db.close()
    status, out, _ = run(f"store check {store}")
    assert status == 1 and "damaged: solve at alpha=0." in out and "2 points, 1 damaged" in out
    assert run(f"store check {store} --json")[0] == 0
