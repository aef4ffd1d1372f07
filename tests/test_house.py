"""How the house is built: layers, sizes, names, types and layout, checked by machine.  Every exception stands here, with its reason."""

import ast
import fnmatch
import inspect
import pathlib
import re
import subprocess
import sys

import pytest

import flatphys as fp

ROOT = pathlib.Path(__file__).parents[1]
FILES = {path.relative_to(ROOT / "flatphys").as_posix(): path.read_text(encoding="utf-8") for path in (ROOT / "flatphys").rglob("*.py")}
TREES = {name: ast.parse(text) for name, text in FILES.items()}

MOST_LINES, MOST_BODY, MOST_PARAMETERS = 300, 60, 7

# pattern of file or file:function -> why it may be larger
LONG_BODIES = {"finite_size/chains/*_cuda.py:*": "a CUDA kernel is one function of its threads"}
MANY_PARAMETERS = {
    "saddle/breaking/limit.py:weight_nodes": "a rule with its two buffers, as those of numerics/quadrature.py",
    "numerics/quadrature.py:*": "a rule is told its range, its grading and two features, and fills two buffers",
    "cli/*.py:*": "typer reads the options of a command from its signature",
    "sweeps/contest.py:*": "public: what is compared, by keywords, and the sweep's question of the same",
    "deep/*.py:*": "public: the options of a training or a measure are keywords",
    "sweeps/flatness_study.py:flatness_against_generalization": "public: what is studied, by keywords",
    "finite_size/*.py:sample*": "public: the options of a run are keywords",
    "finite_size/instances.py:make_instances": "public: what is drawn, by keywords",
    "finite_size/messages/passing.py:message_passing": "public: what is passed, by keywords",
    "finite_size/chains/ensemble.py:__init__": "public: the options of chains are keywords",
    "finite_size/chains/moves.py:*": "vectors of 64 fields: what LLVM's instructions take",
}


def functions():
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                yield f"{name}:{node.name}", node


def offenders(sizes, most, excused=()):
    """What is too large without an excuse; an excuse that nobody needs is an offence, too."""
    large = {name: size for name, size in sizes if size > most}
    rest = {name: size for name, size in large.items() if not any(fnmatch.fnmatch(name, pattern) for pattern in excused)}
    idle = {pattern: "no longer needed" for pattern in excused if not fnmatch.filter(large, pattern)}
    return rest | idle


def run(*command):
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


# --- tools ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("command", [("check",), ("format", "--check")], ids=" ".join)
def test_ruff_has_nothing_to_say(command):
    run("-m", "ruff", *command, "--quiet", ".")


def test_no_line_asks_a_tool_to_look_away():
    pragma = re.compile(r"#\s*(noqa|fmt:|type:|pragma|pylint|mypy:)", re.IGNORECASE)
    sources = [
        path for room in ("flatphys", "tests", "benchmarks") for path in (ROOT / room).rglob("*.py") if path != pathlib.Path(__file__)
    ]
    assert not [path for path in sources if pragma.search(path.read_text(encoding="utf-8"))]


def test_the_type_checker_accepts_the_public_surface():
    run("-m", "mypy", "--cache-dir", "/dev/null" if sys.platform != "win32" else "nul")


def test_every_import_runs_downwards():
    """The contracts of pyproject.toml."""
    run(
        "-c",
        "from importlinter.cli import lint_imports; import sys; sys.exit(lint_imports(config_filename='pyproject.toml', no_cache=True))",
    )


# --- sizes ------------------------------------------------------------------------------------------
def test_no_file_needs_scrolling():
    assert not offenders(((name, text.count("\n")) for name, text in FILES.items()), MOST_LINES)


def test_no_body_is_longer_than_a_screen():
    def lines(node):
        body = node.body[1:] if ast.get_docstring(node) is not None else node.body
        return node.end_lineno - body[0].lineno + 1 if body else 0

    assert not offenders(((name, lines(node)) for name, node in functions()), MOST_BODY, LONG_BODIES)


def test_no_function_takes_more_than_seven_parameters():
    def count(node):
        every = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        return sum(one.arg not in ("self", "cls") for one in every)

    assert not offenders(((name, count(node)) for name, node in functions()), MOST_PARAMETERS, MANY_PARAMETERS)


# --- names and words --------------------------------------------------------------------------------
def test_no_private_name_is_used_in_another_file():
    found = []
    for name, tree in TREES.items():
        modules = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("flatphys"):
                found += [(name, alias.name) for alias in node.names if alias.name.startswith("_") and not alias.name.startswith("__")]
                modules |= {alias.asname or alias.name for alias in node.names if (alias.asname or alias.name).islower()}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
                if node.attr.startswith("_") and not node.attr.startswith("__"):
                    found.append((name, f"{node.value.id}.{node.attr}"))
    assert not found


def test_every_module_says_in_its_first_line_what_lives_there():
    for name, tree in TREES.items():
        first = (ast.get_docstring(tree) or "").split("\n")[0]
        assert len(first) > 10, name


def test_no_text_cites_what_is_not_in_the_repository():
    """docs/ and papers are cited; notes that a reader does not have are not."""
    outside = re.compile(r"\b(THEORY|NUMERICS|CONTRACT|ARCHITECTURE|ROBUST|FRSB)\b|\b(ALGORITHMS|DEEP) (section|[0-9])|\.\./shared")
    texts = [path for room in ("flatphys", "tests", "benchmarks", "docs", ".github") for path in (ROOT / room).rglob("*.*")]
    texts = [path for path in (*texts, *ROOT.glob("*.*")) if path.suffix in (".py", ".md", ".toml") and path != pathlib.Path(__file__)]
    assert not [str(path) for path in texts if outside.search(path.read_text(encoding="utf-8"))]


def test_cited_documents_exist():
    cited = {match for text in FILES.values() for match in re.findall(r"\bdocs/[\w/]+\.md", text)}
    assert all((ROOT / document).is_file() for document in cited), cited


# --- types ------------------------------------------------------------------------------------------
def public_functions():
    for name in fp.__all__:
        thing = getattr(fp, name)
        if inspect.isfunction(thing):
            yield name, thing
        elif inspect.isclass(thing):
            for key, value in vars(thing).items():
                value = getattr(value, "__func__", value)
                value = value.fget if isinstance(value, property) else value
                if not key.startswith("_") and inspect.isfunction(value):
                    yield f"{name}.{key}", value


def test_public_functions_are_annotated():
    bare = {}
    for name, function in public_functions():
        signature = inspect.signature(function)
        missing = [p.name for p in signature.parameters.values() if p.annotation is p.empty and p.name not in ("self", "cls")]
        missing += ["return"] if signature.return_annotation is signature.empty else []
        if missing:
            bare[name] = missing
    assert not bare


def test_the_package_says_that_it_is_typed():
    assert (ROOT / "flatphys" / "py.typed").is_file()
