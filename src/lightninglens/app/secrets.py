"""Secrets are read from files by path, never from settings, arguments or the environment."""

import os
import stat
from pathlib import Path

from lightninglens.core.errors import ConfigError

MAX_SECRET_BYTES = 4096
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def read_secret(path: Path) -> str:
    """Return the secret in a file, without the newline at its end.

    Raises:
        ConfigError: it is missing, empty, too long, not text, or others may read it.
            The text names the file and never what is in it.
    """
    try:
        with path.open("rb") as stream:
            # The open file is asked, not the path: nobody can swap it in between.
            mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
            content = stream.read(MAX_SECRET_BYTES + 1)
    except OSError as problem:
        raise ConfigError(f"{path}: the secret cannot be read: {problem.strerror}") from None
    if mode & OTHERS:
        raise ConfigError(f"{path}: others may read this secret (mode {mode:04o}); run: chmod 600 {path}")
    if len(content) > MAX_SECRET_BYTES:
        raise ConfigError(f"{path}: too long for a secret")
    try:
        secret = content.decode("ascii").strip()
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: a secret is plain ASCII text") from None
    if not secret:
        raise ConfigError(f"{path}: the secret is empty; delete the file to have a new one made, or write one")
    return secret
