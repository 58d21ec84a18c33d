"""Files of the spool: ``<time of creation>-<mark>.spool``, locked by the process that writes or drains it.

The lock ends with its process, so a file whose lock is free is nobody's, and anybody may drain it.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from orchestrator.spool.records import MARK

LIVE, ASIDE = ".spool", ".bad"
_NAME = re.compile(rf"\d{{20}}-[0-9a-f]{{{2 * MARK}}}")


def is_ours(path: Path) -> bool:
    """Whether this is the name of such a file."""
    return bool(_NAME.fullmatch(path.stem))


def mark_of(path: Path) -> bytes:
    """The mark of the file's records: the second half of its name."""
    return bytes.fromhex(path.stem.rpartition("-")[2])


class Segment:
    """A file that this process holds. Records are in it for good once `sync` has returned."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.mark = mark_of(path)
        self.size = os.fstat(descriptor).st_size
        self._descriptor = descriptor
        self._synced = 0
        self._syncing = threading.Lock()
        self._failure: OSError | None = None

    def write(self, data: bytes) -> int:
        """Append, by one thread at a time; the size that has to be synced. What was written half is taken back."""
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            self._failure = error  # nothing more is written here, even when it cannot be cut
            os.ftruncate(self._descriptor, self.size)
            raise
        self.size += len(data)
        return self.size

    def sync(self, size: int) -> None:
        """Return when so many bytes are on the disk. One fsync serves every thread that came before it began."""
        with self._syncing:
            if self._synced >= size:
                return
            if self._failure:
                raise self._failure
            target = self.size
            try:
                os.fsync(self._descriptor)
            except OSError as error:
                self._failure = error  # what the kernel could not write it has forgotten: there is no second try
                raise
            self._synced = target

    @property
    def broken(self) -> bool:
        return self._failure is not None

    def read(self) -> bytes:
        return self.path.read_bytes()

    def remove(self) -> None:
        self.path.unlink()

    def set_aside(self) -> Path:
        """Keep it for a person to look at; it is not drained again by itself."""
        return self.path.rename(self.path.with_suffix(ASIDE))

    def release(self) -> None:
        """Close it, and with it give up the lock. Threads that wait for `sync` are served before."""
        try:
            if self._synced < self.size and not self._failure:
                self.sync(self.size)
        finally:
            os.close(self._descriptor)

    def __enter__(self) -> Segment:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def create(folder: Path, suffix: str = LIVE) -> Segment:
    """A new file of ours, and its name on the disk."""
    path = folder / f"{time.time_ns():020}-{secrets.token_hex(MARK)}{suffix}"
    segment = None
    while segment is None:  # whoever drains may take the empty file for a dead process's, and remove it
        segment = _held(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    try:
        sync_folder(folder)
    except OSError:
        segment.release()  # it is empty; whoever drains removes it
        raise
    return segment


def hold(path: Path) -> Segment | None:
    """The file, when it is there and no living process has it."""
    return _held(path, os.O_RDWR)


def sync_folder(folder: Path) -> None:
    """Make names that were added to a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _held(path: Path, flags: int) -> Segment | None:
    try:
        descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        return None
    with ExitStack() as unless_held:
        unless_held.callback(os.close, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # other errors: a file system without locks
        except BlockingIOError:
            return None
        if os.fstat(descriptor).st_nlink == 0 or not path.exists():
            return None
        segment = Segment(path, descriptor)
        unless_held.pop_all()
        return segment
