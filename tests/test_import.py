"""Importing flatphys loads none of the heavy packages (that is what keeps it under 0.1 s); every public name resolves."""

import ast
import importlib
import pathlib
import subprocess
import sys

import flatphys as fp

HEAVY = {"matplotlib", "scipy", "numba", "numpy", "mpmath", "pandas", "xarray", "typer"}


def run(code):
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_import_loads_no_heavy_package():
    loaded = run(f"import sys, flatphys; print(*({HEAVY!r} & set(sys.modules)))").split()
    assert not set(loaded) & {"matplotlib", "scipy", "numba"}, loaded


def test_models_are_made_without_compiled_code():
    run("import sys, flatphys as fp; fp.Model(fp.Teacher(0.1), fp.Gibbs('spherical', 0.2, 3)); assert 'numba' not in sys.modules")


def test_a_solve_needs_no_matplotlib():
    run("import sys, flatphys as fp; fp.solve(fp.Model(), 0.5); assert 'matplotlib' not in sys.modules")


def test_every_public_name_resolves_and_is_listed():
    for name in fp.__all__:
        assert getattr(fp, name) is not None and name in dir(fp), name
    assert len(set(fp.__all__)) == len(fp.__all__)


def test_every_public_function_and_class_has_a_docstring():
    for name in fp.__all__:
        assert (getattr(fp, name).__doc__ or "").strip(), name


def test_type_checkers_see_the_names_that_are_loaded_on_first_use():
    tree = ast.parse(pathlib.Path(fp.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING")
    seen = {alias.asname: (node.module, alias.name) for node in block.body for alias in node.names}
    assert set(seen) == set(fp._LAZY)
    for name, (module, there) in seen.items():
        assert getattr(importlib.import_module(module), there) is getattr(fp, name), name
