"""The work shared out among processes, each with what it needs for itself."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from multiprocessing.queues import Queue
from multiprocessing.util import Finalize
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg

from ops.embedded import postgres
from ops.fuzz import ground
from ops.fuzz.bodies import Bodies
from ops.fuzz.findings import Findings
from ops.fuzz.journal import Journal
from ops.fuzz.parsers import read_all
from ops.fuzz.providers import answer_all
from ops.fuzz.receiver import BATCH, Receiver
from ops.fuzz.requests import attack
from orchestrator import logs
from orchestrator.store.migrate import migrate
from orchestrator.web import create_app

Say = Callable[[str], None]
Place = tuple[Path, str]  # a home folder, and a database's URL
_PIECE = 10_000  # bodies that a process reads at a time
_FOR_ONE = 20_000
_EVERY = 30.0  # seconds between words about how far it is
_CONTEXT = get_context("spawn")


def parsers(seed: int, start: int, count: int, processes: int, say: Say) -> Findings:
    """These bodies at the dialects' readers."""
    with _crew(processes, _stay_with_parent) as pool:
        return _gather((pool.submit(_read, seed, *one) for one in _pieces(start, count, _PIECE)), count, say)


def providers(seed: int, start: int, count: int, processes: int, say: Say) -> Findings:
    """Calls of the dialects at providers that answer with such bodies."""
    with _crew(processes, _quiet) as pool:
        return _gather((pool.submit(answer_all, seed, *one) for one in _pieces(start, count, _PIECE // 4)), count, say)


def receiver(seed: int, start: int, count: int, processes: int, say: Say) -> Findings:
    """These bodies at receivers, each with a database of its own, in a Postgres that lasts as long as this."""
    with tempfile.TemporaryDirectory(prefix="orchestrator-fuzz-") as folder, _places(Path(folder), processes) as places:
        waiting: Queue[Place] = _CONTEXT.Queue()
        for place in places:
            waiting.put(place)
        with _crew(processes, _settle, waiting, seed) as pool:
            return _gather((pool.submit(_batch, *one) for one in _pieces(start, count, BATCH)), count, say)


def requests(seed: int, start: int, count: int, processes: int, say: Say) -> Findings:
    """Requests made from the OpenAPI document, one example of each operation for so many bodies of the other parts."""
    del start, processes
    say(f"requests from the OpenAPI document, {max(1, count // _FOR_ONE)} examples of each operation")
    stderr, journal = sys.stderr, Journal()
    with tempfile.TemporaryDirectory(prefix="orchestrator-fuzz-") as folder, _places(Path(folder), 1) as places:
        services = ground.services(*places[0], ground.Nudged())
        sys.stderr = journal
        logs.configure(json=True)
        try:
            found = attack(create_app(services), seed=seed, examples=max(1, count // _FOR_ONE), token=ground.TOKEN)
        finally:
            sys.stderr = stderr
            services.close()
    for trouble in journal.troubles:
        found.blame(f"in the log: {trouble}")
    return found


class _Alone(Executor):
    """This process itself, at once."""

    def submit(self, act: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(act(*arguments, **named))
        return done


@contextmanager
def _crew(processes: int, prepare: Callable[..., None], *arguments: Any) -> Iterator[Executor]:
    """Processes that have prepared themselves; when it is only one, then this one."""
    if processes > 1:
        with ProcessPoolExecutor(processes, _CONTEXT, initializer=prepare, initargs=arguments) as pool:
            yield pool
        return
    stderr = sys.stderr
    try:
        prepare(*arguments)
        yield _Alone()
    finally:
        sys.stderr = stderr
        _leave()


@contextmanager
def _places(folder: Path, number: int) -> Iterator[list[Place]]:
    server = postgres.start(folder / "postgres", die_with_parent=True)
    try:
        yield [(folder / f"home-{one}", _database(server.dsn, f"fuzz_{one}")) for one in range(number)]
    finally:
        server.stop()


def _database(dsn: str, name: str) -> str:
    """A migrated database that need not survive a power cut."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off".encode())
    url = urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))
    migrate(url)
    return url


_here: list[Receiver] = []  # of this process


def _settle(waiting: Queue[Place], seed: int) -> None:
    _stay_with_parent()
    home, url = waiting.get()
    _here.append(Receiver(home, url, seed))
    Finalize(None, _leave, exitpriority=10)


def _quiet() -> None:
    """What the dialects have to say of such answers is said often enough."""
    _stay_with_parent()
    logging.getLogger("orchestrator.providers").setLevel(logging.CRITICAL)


def _stay_with_parent() -> None:
    """A process of a pool does not notice when its parent is killed."""
    parent = parent_process()

    def leave_too() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    Thread(target=leave_too, daemon=True).start()


def _leave() -> None:
    while _here:
        _here.pop().close()


def _batch(start: int, count: int) -> Findings:
    return _here[0].batch(start, count)


def _read(seed: int, start: int, count: int) -> Findings:
    return read_all(Bodies(seed).range(start, count))


def _pieces(start: int, count: int, size: int) -> Iterator[tuple[int, int]]:
    end = start + count
    return ((place, min(size, end - place)) for place in range(start, end, size))


def _gather(futures: Iterable[Future[Findings]], count: int, say: Say) -> Findings:
    whole, said = Findings(), time.monotonic()
    for future in as_completed(list(futures)):
        whole.add(future.result())
        if time.monotonic() - said > _EVERY:
            said = time.monotonic()
            say(f"{whole.bodies:,} of {count:,} bodies, {whole.wrongs} wrong")
    return whole
