"""Files and directories that only their owner may read."""

import os
from pathlib import Path

from lightninglens.core.errors import LensError


def private_directory(path: Path) -> Path:
    """Make a directory with mode 0700 where there is none, and return it; raises LensError when that fails."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as problem:
        raise LensError(f"{path}: cannot be made a data directory: {problem.strerror}") from None
    return path


def private_file(path: Path) -> Path:
    """Make an empty file with mode 0600 where there is none, and return it; raises LensError when that fails."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return path
    except OSError as problem:
        raise LensError(f"{path}: cannot be created: {problem.strerror}") from None
    return path
