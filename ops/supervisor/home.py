"""The supervisor's files in the home folder: its lock, and ``state.json`` for everybody who wants to know."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import psutil

MARK = "ORCHESTRATOR_SUPERVISED"  # in the environment of every descendant; the value tells the home folder
KILLED = 30.0  # seconds for the kernel to end a process at SIGKILL


class AlreadyRunning(RuntimeError):
    """Another supervisor owns this home folder."""

    def __init__(self, owner: Owner) -> None:
        self.pid, self.since, self.address = owner.pid, owner.since, owner.address
        where = f" at {owner.address}" if owner.address else ""
        super().__init__(
            f"already running{where}: process {owner.pid}, since {owner.since}; stop it, or use another home"
        )


@dataclass(frozen=True, slots=True)
class Owner:
    """Who owns a home folder: process id, RFC 3339 time of its start, and its address if it has one."""

    pid: int
    since: str
    address: str | None


def now() -> str:
    """RFC 3339, UTC, seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def running(home: Path) -> dict[str, Any] | None:
    """The state of the supervisor that owns ``home``; None when none does. Shape: see ``State``."""
    home = home.expanduser().resolve()
    lock, path = home / "supervisor.lock", home / "state.json"
    if not lock.exists():
        return None
    with lock.open() as file:
        if _lock(file, fcntl.LOCK_SH):
            return None  # it ended
    owner = asdict(_read_owner(lock))
    state = _read(path)
    if all(state.get(name) == value for name, value in owner.items()):
        return state
    return owner | {"state": "starting", "services": {}}  # the file is a killed predecessor's


def _read(path: Path) -> dict[str, Any]:
    """What the state file says: nothing, when there is none or a power cut has left half of it."""
    try:
        state = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError, RecursionError):
        return {}
    return state if isinstance(state, dict) else {}


def _lock(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def owned(home: Path, address: str | None) -> Iterator[Owner]:
    """Own ``home`` as its only supervisor. Raises AlreadyRunning. The kernel frees a killed owner's lock."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (home / "supervisor.lock").open("a+") as file:
        deadline = time.monotonic() + 0.3  # somebody may just be asking ``running``
        while not _lock(file, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise AlreadyRunning(_read_owner(home / "supervisor.lock"))
            time.sleep(0.01)
        owner = Owner(os.getpid(), now(), address)
        file.truncate(0)
        file.write(json.dumps(asdict(owner)))
        file.flush()
        yield owner


def _read_owner(path: Path) -> Owner:
    deadline = time.monotonic() + 1.0
    while not (text := path.read_text()) and time.monotonic() < deadline:
        time.sleep(0.01)  # it has the lock and is about to write
    return Owner(**json.loads(text)) if text else Owner(0, "just now", None)


@dataclass(slots=True)
class Entry:
    """One service in the state file. ``created`` is the process's start as psutil has it; it unmasks a recycled pid."""

    pid: int | None = None
    created: float | None = None
    started_at: str | None = None
    restarts: int = 0
    url: str | None = None

    def begun(self, pid: int, url: str | None) -> None:
        """Note a process that has just started."""
        self.pid, self.url, self.started_at = pid, url, now()
        self.created = _created(pid)


class State:
    """``state.json``: ``{pid, since, address, state, services: {name: {pid, created, started_at, restarts, url}}}``.

    ``state`` is starting, running or stopping. The file is replaced whole, and removed after an orderly stop.
    What the disk does not take is ``say``'s to tell, and no reason to end: the file is for others to read.
    """

    def __init__(self, home: Path, owner: Owner, names: Iterable[str], say: Callable[[str], None]) -> None:
        self._path = home / "state.json"
        self._owner = owner
        self._say = say
        self.stale = False  # the file could not be written: try again
        self.state = "starting"
        self.services = {name: Entry() for name in names}

    def write(self) -> None:
        """Replace the file; a failure is told once, and its end."""
        try:
            self._replace()
        except OSError as error:
            if not self.stale:
                self._say(f"state.json cannot be written: {error.strerror}; it is tried again, and all goes on")
            self.stale = True
            return
        if self.stale:
            self._say("state.json is written again")
        self.stale = False

    def remove(self) -> None:
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            self._say(f"state.json cannot be removed: {error.strerror}")

    def _replace(self) -> None:
        entries = {name: asdict(entry) for name, entry in self.services.items()}
        text = json.dumps(asdict(self._owner) | {"state": self.state, "services": entries}, indent=1)
        staging = self._path.with_suffix(".new")
        staging.touch(mode=0o600)
        with staging.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        staging.replace(self._path)


# What a killed supervisor left running ----------------------------------------------------------------


def mark(home: Path) -> dict[str, str]:
    """The environment entry by which a descendant is known, whatever became of its parents."""
    return {MARK: hashlib.sha256(os.fsencode(home)).hexdigest()[:16]}


def end_leftovers(home: Path, patience: float) -> list[int]:
    """End what a former supervisor of ``home`` left behind, gently first; returns the pids."""
    found = list({process.pid: process for process in (*_marked(home), *_recorded(home))}.values())
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):  # Postgres waits at TERM, and hurries at INT
        for process in found:
            _send(process, number)
        # Whom nothing saves needs no patience, but a busy machine takes its time to end it.
        if not psutil.wait_procs(found, timeout=KILLED if number == signal.SIGKILL else patience / 2)[1]:
            break
    return sorted(process.pid for process in found)


def _send(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def _marked(home: Path) -> Iterator[psutil.Process]:
    wanted = mark(home)[MARK]
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARK) == wanted:
                yield process
        except psutil.Error:
            continue  # another user's, or it ended meanwhile


def _recorded(home: Path) -> Iterator[psutil.Process]:
    services = _read(home / "state.json").get("services")
    for entry in services.values() if isinstance(services, dict) else ():
        match entry:
            case {"pid": int(pid), "created": int() | float() as noted} if pid > 0:
                created = _created(pid)
                if created is not None and abs(created - noted) < 2.0:
                    yield psutil.Process(pid)


def _created(pid: int) -> float | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except psutil.NoSuchProcess:
        return None
