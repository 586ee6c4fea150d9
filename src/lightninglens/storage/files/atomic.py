"""Write files so that a reader sees the old one or the whole new one, never a part."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from lightninglens.core.errors import DataError


@contextmanager
def atomic_writer(path: Path) -> Iterator[BinaryIO]:
    """Yield a binary file that takes the place of `path` when the block ends without an error.

    The bytes are on disk before the rename. When the block raises, `path` is
    what it was before and nothing else is left behind.

    Raises:
        DataError: the directory or the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise DataError(f"cannot be written: {error.strerror or error}", where=str(path)) from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
