"""Count what is shown: promises.toml and the tests' markers become docs/reference/promises.md."""

import ast
import re
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

STATUSES = ("shown", "replaced", "claim tested", "contradicted by the documents themselves", "open")
_ID = re.compile(r"A(\d+)\.(\d+)([a-z]?)")


class PromiseError(Exception):
    """The list or a marker is wrong; the text says where."""


def marked_tests(tests: Path) -> dict[str, list[str]]:
    """Return, per promise id, the tests that carry its marker, as `file::test`."""
    found: dict[str, list[str]] = defaultdict(list)
    # Checks that several tests inherit stand in files of their own.
    for path in sorted([*tests.rglob("test_*.py"), *tests.rglob("*_checks.py")]):
        tree = ast.parse(path.read_text(), str(path))
        name = path.relative_to(tests.parent).as_posix()
        for holder, promise in _markers(tree):
            found[promise].append(f"{name}::{holder}" if holder else name)
    return dict(found)


def _markers(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for decorator in node.decorator_list:
                yield from ((node.name, promise) for promise in _promises_in(decorator))
        elif isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "pytestmark" for target in node.targets
        ):
            yield from (("", promise) for part in ast.walk(node.value) for promise in _promises_in(part))


def _promises_in(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.promise":
        yield from (str(argument.value) for argument in node.args if isinstance(argument, ast.Constant))


def render(root: Path) -> str:
    """Return the text of promises.md; raises PromiseError for an unknown id or a missing decision record."""
    listed = tomllib.loads((root / "docs/reference/promises.toml").read_text())
    promises: Mapping[str, str] = listed["promises"]
    tests = marked_tests(root / "tests")
    _check(root, listed, tests)
    rows = sorted(promises, key=_order)
    statuses = {promise: _status(promise, listed, tests) for promise in rows}
    counts = Counter(statuses.values())
    lines = [
        "# Promises",
        "",
        "Every promise of the five source documents in our own words, with the tests that show it.",
        "Written by `tools/generate_docs.py` from `promises.toml` and the tests' markers; do not edit.",
        "",
        "| status | promises |",
        "|---|---|",
        *(f"| {status} | {counts[status]} |" for status in STATUSES),
        f"| all | {len(rows)} |",
    ]
    for document, title in listed["documents"].items():
        lines += ["", f"## {document}: {title}", "", "| | promise | status | tests |", "|---|---|---|---|"]
        for promise in rows:
            if promise.startswith(f"{document}."):
                shown = "<br>".join(f"`{test}`" for test in tests.get(promise, []))
                status = _explained(promise, statuses[promise], listed)
                lines.append(f"| {promise} | {promises[promise]} | {status} | {shown} |")
    return "\n".join(lines) + "\n"


def _check(root: Path, listed: Mapping[str, Mapping[str, str]], tests: Mapping[str, list[str]]) -> None:
    known = set(listed["promises"])
    for promise in known:
        if not _ID.fullmatch(promise):
            raise PromiseError(f"promises.toml: {promise!r} is not an id like A1.6 or A1.6a")
    for table in ("replaced", "claims", "contradicted"):
        for promise in set(listed[table]) - known:
            raise PromiseError(f"promises.toml: [{table}] names {promise}, which is not in [promises]")
    for promise, names in tests.items():
        if promise not in known:
            raise PromiseError(f"{names[0]} carries promise({promise!r}), which is not in docs/reference/promises.toml")
    for promise, record in listed["replaced"].items():
        if not (root / "docs/adr" / record).is_file():
            raise PromiseError(f"promises.toml: {promise} is replaced by docs/adr/{record}, which does not exist")


def _order(promise: str) -> tuple[int, int, str]:
    match = _ID.fullmatch(promise)
    if match is None:
        raise PromiseError(f"{promise!r} is not a promise's id")
    return int(match[1]), int(match[2]), match[3]


def _status(promise: str, listed: Mapping[str, Mapping[str, str]], tests: Mapping[str, list[str]]) -> str:
    if promise in listed["contradicted"]:
        return "contradicted by the documents themselves"
    if promise in listed["replaced"]:
        return "replaced"
    if promise not in tests:
        return "open"
    return "claim tested" if promise in listed["claims"] else "shown"


def _explained(promise: str, status: str, listed: Mapping[str, Mapping[str, str]]) -> str:
    if promise in listed["replaced"]:
        record = listed["replaced"][promise]
        return f"[{status}](../adr/{record})"
    if promise in listed["contradicted"]:
        return f"{status}: {listed['contradicted'][promise]}"
    if promise in listed["claims"]:
        return f"{status} ({listed['claims'][promise]})"
    return status
