from pathlib import Path

import promises
import pytest

LIST = """
[documents]
A0 = "One"
[promises]
"A0.1" = "First"
"A0.2" = "Second"
"A0.2a" = "Part of the second"
"A0.10" = "Tenth"
"A0.11" = "Eleventh"
"A0.12" = "Twelfth"
[replaced]
"A0.10" = "0001-x.md"
[claims]
"A0.11" = "measured"
"A0.12" = "measured"
[contradicted]
"A0.2" = "because"
"""
TESTS = """
import pytest
pytestmark = [pytest.mark.promise("A0.11")]
@pytest.mark.promise("A0.1", "A0.2")
def test_one() -> None: ...
class TestTwo:
    @pytest.mark.promise("A0.1")
    async def test_inner(self) -> None: ...
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("docs/reference", "docs/adr", "tests/unit"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "docs/reference/promises.toml").write_text(LIST)
    (tmp_path / "docs/adr/0001-x.md").touch()
    (tmp_path / "tests/unit/test_it.py").write_text(TESTS)
    return tmp_path


def test_tests_are_found_by_their_markers(root: Path) -> None:
    found = promises.marked_tests(root / "tests")
    name = "tests/unit/test_it.py"
    assert found == {
        "A0.1": [f"{name}::test_one", f"{name}::test_inner"],
        "A0.2": [f"{name}::test_one"],
        "A0.11": [name],
    }


def test_statuses_are_computed_and_counted(root: Path) -> None:
    text = promises.render(root)
    assert "| A0.1 | First | shown | `tests/unit/test_it.py::test_one`<br>`tests/unit/test_it.py::test_inner` |" in text
    assert "| A0.2 | Second | contradicted by the documents themselves: because |" in text
    assert "| A0.2a | Part of the second | open |  |" in text
    assert "| A0.10 | Tenth | [replaced](../adr/0001-x.md) |" in text
    assert "| A0.11 | Eleventh | claim tested (measured) |" in text
    assert "| A0.12 | Twelfth | open (measured) |" in text
    for line in ("| shown | 1 |", "| replaced | 1 |", "| claim tested | 1 |", "| open | 2 |", "| all | 6 |"):
        assert line in text
    assert text.index("| A0.2a |") < text.index("| A0.10 |")


@pytest.mark.parametrize(
    ("path", "old", "new", "said"),
    [
        ("tests/unit/test_it.py", '"A0.2"', '"A0.99"', "carries promise.'A0.99'"),
        ("docs/reference/promises.toml", '"A0.10" = "0001-x.md"', '"A0.10" = "0009-y.md"', "0009-y.md, which does not"),
        ("docs/reference/promises.toml", '"A0.10" = "0001-x.md"', '"A0.9" = "0001-x.md"', "names A0.9"),
        ("docs/reference/promises.toml", '"A0.2a" =', '"B0.2a" =', "'B0.2a' is not an id"),
    ],
)
def test_a_mistake_is_refused(path: str, old: str, new: str, said: str, root: Path) -> None:
    file = root / path
    file.write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(promises.PromiseError, match=said):
        promises.render(root)
