"""One process owns a data directory: an advisory lock that the kernel frees when the process dies."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from lightninglens.core.errors import LensError
from lightninglens.storage.private import private_directory, private_file

LOCK_FILE = "lens.lock"
_MAX_NOTE_BYTES = 64


class DataDirectoryLock:
    """Hold a data directory for this process alone, as a context manager.

    Entering raises LensError, which names the other process, when the
    directory is taken.
    """

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._descriptor = -1

    def __enter__(self) -> Self:
        path = private_file(private_directory(self._data_dir) / LOCK_FILE)
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, _MAX_NOTE_BYTES, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise LensError(
                f"{self._data_dir} is in use by process {holder or '(unknown)'}; end it with"
                f" `lens stop --data-dir {self._data_dir}`, or use another data directory"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The file stays: removing it would let a third process lock a new file of the same name.
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)
        self._descriptor = -1
