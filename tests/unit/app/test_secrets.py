from pathlib import Path

import pytest

from lightninglens.app.secrets import MAX_SECRET_BYTES, read_secret
from lightninglens.core.errors import ConfigError

CANARY = b"deadbeef" * 8


def secret(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    path = folder / "token"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_a_private_secret_is_read_without_its_newline(tmp_path: Path) -> None:
    assert read_secret(secret(tmp_path, CANARY + b"\n")) == CANARY.decode()


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        (CANARY, 0o640, "others may read this secret .*chmod 600"),
        (CANARY, 0o604, "others may read"),
        (b"", 0o600, "is empty"),
        (b" \n", 0o600, "is empty"),
        (CANARY * MAX_SECRET_BYTES, 0o600, "too long"),
        (CANARY + b"\xff", 0o600, "plain ASCII"),
    ],
)
def test_a_doubtful_secret_is_refused_and_not_shown(content: bytes, mode: int, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        read_secret(secret(tmp_path, content, mode))
    assert CANARY.decode() not in str(caught.value)


def test_a_missing_secret_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_secret(tmp_path / "absent")
