"""The spool of one home folder. Several processes may have it: each appends to a file of its own."""

from __future__ import annotations

import os
import threading
from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.errors import SpoolUnavailable
from orchestrator.spool import records, segments
from orchestrator.spool.records import Delivery
from orchestrator.spool.segments import ASIDE, LIVE, Segment

SEGMENT = 1024 * 1024  # bytes after which another file is begun


@dataclass(frozen=True, slots=True)
class Depth:
    """deliveries: that wait. bytes: of all files. since: when the oldest file was begun. aside: files that a person
    has to look at."""

    deliveries: int
    bytes: int
    since: datetime | None
    aside: int


class Spool:
    """Nothing on the disk is touched before the first delivery. size: bytes of all files together, at most."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        self.size = size
        self.filled = threading.Event()  # set by each delivery; whoever drains clears it
        self._lock = threading.Lock()
        self._own: Segment | None = None
        self._counted: dict[Path, tuple[int, int]] = {}  # file -> its size, and how many records that are

    def append(self, delivery: Delivery, *, moved: bool = False) -> None:
        """Return when the delivery is on the disk, for good. Raises SpoolUnavailable.

        moved: it is in the spool already, in a file that is about to go, and counts for the size no second time.
        """
        try:
            with self._lock:
                segment = self._segment()
                record = records.pack(delivery, segment.mark)
                if not moved:
                    self._check_room(len(record))
                size = segment.write(record)
            segment.sync(size)
        except OSError as error:
            raise SpoolUnavailable(f"the spool cannot be written: {error.strerror}") from error
        if not moved:
            self.filled.set()

    def claim(self) -> Generator[Segment, None, None]:
        """Every file that is nobody else's, oldest first, held until the next is asked for.

        What this process has written comes last, and is only closed when all before it has been dealt with.
        """
        for path in self._files(LIVE):
            held = segments.hold(path)
            if held:
                with held:
                    yield held
        with self._lock:
            own, self._own = self._own, None
        if own:
            with own:  # before anything can fail: what is not let go of is drained by nobody while we live
                own.sync(own.size)
                yield own

    def set_aside(self, delivery: Delivery) -> Path:
        """Keep a delivery that cannot be taken in a file of its own, for a person to look at. Raises OSError."""
        with segments.create(self.folder, ASIDE) as segment:
            segment.sync(segment.write(records.pack(delivery, segment.mark)))
            return segment.path

    def try_again(self) -> int:
        """Let what was set aside be drained once more; how many files."""
        aside = self._files(ASIDE)
        for path in aside:
            path.rename(path.with_suffix(LIVE))
        return len(aside)

    def waits(self) -> bool:
        """Whether there is anything to drain, by this process or by another one."""
        return bool(self._files(LIVE))

    def depth(self) -> Depth:
        """How much there is, of all processes."""
        live, aside = self._files(LIVE), self._files(ASIDE)
        known, counted = self._counted, {}
        for path in live:
            size = _size(path)
            counted[path] = known[path] if known.get(path, (-1,))[0] == size else (size, _count(path))
        self._counted = counted  # threads that ask at once do the same work twice, and no harm
        number = sum(count for _, count in counted.values())
        since = datetime.fromtimestamp(int(live[0].name.partition("-")[0]) / 1e9, UTC) if number else None
        return Depth(number, self._used(), since, len(aside))

    def check(self) -> None:
        """Whether there is room for a few more deliveries. Raises SpoolUnavailable."""
        try:
            self._check_room(min(SEGMENT, self.size // 4))
        except OSError as error:
            raise SpoolUnavailable(f"the spool cannot be read: {error.strerror}") from error
        place = next(one for one in (self.folder, *self.folder.parents) if one.exists())
        if not os.access(place, os.W_OK):
            raise SpoolUnavailable(f"the spool cannot be written: {place} is not writable")

    def close(self) -> None:
        """Give up the file; another process will drain it."""
        with self._lock:
            own, self._own = self._own, None
        if own:
            own.release()

    def _segment(self) -> Segment:
        """The file to write to. It stays locked while it is ours."""
        if self._own and (self._own.broken or self._own.size >= SEGMENT):
            full, self._own = self._own, None
            full.release()
        if self._own is None:
            if not self.folder.exists():
                self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                segments.sync_folder(self.folder.parent)
            self._own = segments.create(self.folder)
        return self._own

    def _check_room(self, wanted: int) -> None:
        used = self._used()
        if used + wanted > self.size:
            raise SpoolUnavailable(f"the spool is full: {used} of {self.size} bytes")

    def _used(self) -> int:
        return sum(_size(path) for path in [*self._files(LIVE), *self._files(ASIDE)])

    def _files(self, suffix: str) -> list[Path]:
        """Oldest first. Other files in the folder are not ours."""
        if not self.folder.is_dir():
            return []
        found = [path for path in self.folder.iterdir() if path.suffix == suffix and segments.is_ours(path)]
        return sorted(found)


def _count(path: Path) -> int:
    """None when it has just been drained."""
    try:
        return records.count(path.read_bytes(), segments.mark_of(path))
    except FileNotFoundError:
        return 0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
