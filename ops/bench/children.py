"""Processes of the bench: started here, ended here by their pid, whatever happens."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

PATIENCE = 40.0  # seconds for an orderly end


class BenchError(RuntimeError):
    """Something that is needed to measure did not work; the message says what."""


@contextmanager
def child(
    argv: Sequence[str | Path], *, env: Mapping[str, str], log: Path, stdout: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process for the length of a block. Its stderr (and stdout, unless it is wanted) goes to ``log``."""
    with log.open("ab") as file:
        started = subprocess.Popen(  # noqa: S603 - our own programs
            [str(part) for part in argv], env=dict(env), stdin=subprocess.DEVNULL, stdout=stdout or file, stderr=file
        )
    try:
        yield started
    finally:
        end(started)


def end(started: subprocess.Popen[bytes]) -> None:
    """End it, gently first."""
    started.terminate()
    try:
        started.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        started.kill()
        started.wait()
    if started.stdout:
        started.stdout.close()


@contextmanager
def provider(log: Path) -> Iterator[int]:
    """The instant provider; its port."""
    argv = [sys.executable, "-m", "ops.bench.provider"]
    with child(argv, env=os.environ, log=log, stdout=subprocess.PIPE) as started:
        line = started.stdout.readline() if started.stdout else b""
        if not line.strip():
            raise BenchError(f"the instant provider did not start:\n{tail(log)}")
        yield int(line)


def wait_for(what: str, ready: Callable[[], bool], started: subprocess.Popen[bytes], log: Path) -> None:
    """Until ``ready``; BenchError when the process ends before, or a minute has gone."""
    deadline = time.monotonic() + 60
    while not ready():
        if started.poll() is not None or time.monotonic() > deadline:
            raise BenchError(f"{what} did not get ready:\n{tail(log)}")
        time.sleep(0.05)


def accepts(port: int) -> bool:
    """Whether somebody listens on the loopback port."""
    with closing(socket.socket()) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port(neighbours: int = 1) -> int:
    """A loopback port that is free, as are those that follow it; below the ports that connections get by themselves."""
    for _ in range(200):
        port = random.randrange(20_000, 30_000)
        if all(_free(port + number) for number in range(neighbours)):
            return port
    raise BenchError("no free ports")


def _free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def tail(log: Path) -> str:
    """The end of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:]) if log.exists() else "(no log)"
