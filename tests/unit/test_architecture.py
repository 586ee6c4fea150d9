"""The house rules that no linter knows."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[2] / "src/lightninglens"
MODULES = sorted(SRC.rglob("*.py"))
PACKAGES = sorted(path for path in SRC.glob("*/__init__.py"))
HARD_LINES = 800
FORBIDDEN_MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
COMPOSITION_ROOTS = {SRC / "app/runtime.py", SRC / "app/node/sources.py", SRC / "lab/worlds.py"}


def ids(paths: list[Path]) -> list[str]:
    return [path.relative_to(SRC).as_posix() for path in paths]


@pytest.mark.parametrize("path", MODULES, ids=ids(MODULES))
def test_a_module_is_small_enough_to_read(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= HARD_LINES


@pytest.mark.parametrize("path", MODULES, ids=ids(MODULES))
def test_every_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), "needs a docstring"


@pytest.mark.parametrize("path", MODULES, ids=ids(MODULES))
def test_a_list_of_public_names_is_sorted_and_true(path: Path) -> None:
    tree = ast.parse(path.read_text())
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(ast.unparse(target) == "__all__" for target in node.targets):
            names = ast.literal_eval(node.value)
            assert names == sorted(names)
            assert set(names) <= defined(tree)


def defined(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Assign):
            found.update(ast.unparse(target) for target in node.targets)
        elif isinstance(node, ast.AnnAssign):
            found.add(ast.unparse(node.target))
    return found


@pytest.mark.parametrize("package", ["analytics", "control", "learn"])
def test_decisions_do_not_know_which_world_they_are_in(package: str) -> None:
    for path in (SRC / package).rglob("*.py"):
        assert not re.search(r"dry_?run|is_sim\b|run_?mode", path.read_text(), re.IGNORECASE), path


def dangers(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] in FORBIDDEN_MODULES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in FORBIDDEN_MODULES:
            yield str(node.module)
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in {"eval", "exec", "yaml.load", "torch.load", "os.system", "os.popen"}:
                yield name
            for keyword in node.keywords:
                said = f"{keyword.arg}={ast.unparse(keyword.value)}"
                if said == "shell=True" or (keyword.arg == "allow_pickle" and said != "allow_pickle=False"):
                    yield said


@pytest.mark.parametrize("path", MODULES, ids=ids(MODULES))
def test_nothing_is_unpickled_evaluated_or_given_to_a_shell(path: Path) -> None:
    assert list(dangers(ast.parse(path.read_text()))) == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from joblib import load",
        "eval('1')",
        "subprocess.run('ls', shell=True)",
        "yaml.load(f)",
        "np.load(f, allow_pickle=True)",
    ],
)
def test_the_search_for_dangers_finds_them(text: str) -> None:
    assert list(dangers(ast.parse(text)))


def adapters() -> dict[str, Path]:
    """Return the classes of nodes/ and storage/ that implement a port, by name."""
    ports = [
        {part.name for part in node.body if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)}
        for node in ast.parse((SRC / "core/ports.py").read_text()).body
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "Protocol" for base in node.bases)
    ]
    found = {}
    for package in ("nodes", "storage"):
        for path in (SRC / package).rglob("*.py"):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef):
                    methods = {
                        part.name for part in ast.walk(node) if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)
                    }
                    if any(port and port <= methods for port in ports):
                        found[node.name] = path
    return found


def test_adapters_are_built_in_composition_roots_only() -> None:
    built = adapters()
    assert "SqliteJournal" in built
    for path in MODULES:
        if path in COMPOSITION_ROOTS or path in built.values():
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func).rpartition(".")[2] not in built, f"{path} builds an adapter"


@pytest.mark.promise("A0.56", "A1.21", "A2.30")
def test_it_is_a_python_project_under_the_mit_licence() -> None:
    root = SRC.parents[1]
    assert (root / "LICENSE").read_text().startswith("MIT License")
    assert tomllib.loads((root / "pyproject.toml").read_text())["project"]["license"] == "MIT"


def test_every_package_of_the_design_is_there() -> None:
    names = {path.parent.name for path in PACKAGES}
    assert names == {
        "analytics",
        "app",
        "control",
        "core",
        "lab",
        "learn",
        "nodes",
        "operate",
        "routing",
        "sim",
        "storage",
    }
