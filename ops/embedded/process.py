"""What both servers need of the operating system: a lock, a child, and an honest answer to "does it live?"."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from ops.embedded.account import Account
from ops.embedded.failure import EmbeddedError

LEASH = Path(__file__).with_name("leash.py")
LOG_LIMIT = 1_000_000  # bytes; a larger log of the former start is put aside as .1
# Fixed, so that a server is the same whoever starts it (PGDATA, LANG and the like stay outside).
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


@contextmanager
def locked(path: Path, timeout: float) -> Iterator[None]:
    """Hold the file lock ``path``; EmbeddedError when another starter keeps it longer than ``timeout`` seconds.

    The kernel frees it when its holder dies, so no lock is ever stale.
    """
    with path.open("a") as file:
        wait_until(lambda: _taken(file), timeout, f"another process has held {path} for {timeout:.0f} s")
        yield


def _taken(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wait_until(condition: Callable[[], bool], timeout: float, message: str) -> None:
    """Poll ``condition`` until it is true; EmbeddedError(message) after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise EmbeddedError(message)
        time.sleep(0.005)


def launch(
    argv: Sequence[str | Path],
    *,
    output: int | IO[bytes],
    env: Mapping[str, str] = ENVIRONMENT,
    cwd: Path = Path("/"),
    account: Account | None = None,
    keep_fds: Sequence[int] = (),
    death_signal: signal.Signals | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own (a terminal's Ctrl-C is not for it).

    ``death_signal`` is what it receives when the starting thread dies; it has no effect outside Linux.
    """
    command = [str(part) for part in argv]
    if death_signal is not None and sys.platform == "linux":
        owner = "-" if account is None else f"{account.uid}:{account.gid}"
        command = [sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), str(int(death_signal)), owner, *command]
        account = None
    return subprocess.Popen(  # noqa: S603  our own binary
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=env,
        cwd=cwd,
        start_new_session=True,
        pass_fds=keep_fds,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )


def lives(pid: int, mark: str) -> bool:
    """Whether ``pid`` runs and its command line bears ``mark``: no zombie, no other program that got its number."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and any(mark in part for part in process.cmdline())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def end(
    pid: int, mark: str, signals: Sequence[signal.Signals], each: float, child: subprocess.Popen[bytes] | None
) -> None:
    """Send ``signals`` one after the other, waiting ``each`` seconds for an end; ``child`` is reaped if it is ours."""

    def gone() -> bool:
        return not lives(pid, mark) if child is None else child.poll() is not None

    for number in signals:
        if gone():
            break
        _kill(pid, number)
        deadline = time.monotonic() + each
        while not gone() and time.monotonic() < deadline:
            time.sleep(0.005)
    if not gone():
        raise EmbeddedError(f"process {pid} ({mark}) does not end")


def _kill(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it ended by itself


@contextmanager
def log_file(path: Path) -> Iterator[IO[bytes]]:
    """The server's log, opened for appending; put aside as ``.1`` first when it has grown past LOG_LIMIT."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if path.exists() and path.stat().st_size > LOG_LIMIT:
        path.replace(path.with_name(path.name + ".1"))
    with path.open("ab") as file:
        yield file


def last_lines(path: Path, count: int = 12) -> str:
    """The end of a log, for an error message."""
    if not path.exists():
        return "(no log)"
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 8_192))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-count:])
