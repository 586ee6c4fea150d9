"""The compiled contract and its stubs are what the .proto files say."""

from pathlib import Path

import generate_contract
import pytest


def test_what_is_checked_in_is_what_the_contract_compiles_to() -> None:
    stale = [path.name for path, data in generate_contract.generated().items() if path.read_bytes() != data]
    assert stale == [], "run tools/generate_contract.py and commit what it writes"


def test_a_contract_that_does_not_compile_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate_contract, "CONTRACT", tmp_path)
    (tmp_path / "x.proto").write_text('syntax = "proto3";\nmessage A { Missing b = 1; }\n')
    with pytest.raises(generate_contract.ContractError, match=r"x\.proto:2:.*Missing"):
        generate_contract.generated()


def test_it_tells_stale_files_and_writes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generate_contract, "ROOT", tmp_path)
    target = tmp_path / "a.pyi"
    monkeypatch.setattr(generate_contract, "generated", lambda: {target: b"new"})
    monkeypatch.setattr("sys.argv", ["generate_contract.py", "--check"])
    assert generate_contract.main() == 1
    assert "stale: a.pyi" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["generate_contract.py"])
    assert generate_contract.main() == 0
    assert target.read_bytes() == b"new"
