"""The independent checker: the provider's record against the final tables and files. Nothing of the product is used."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString
from urllib.parse import unquote, urlsplit

import psycopg

Record = dict[str, Any]
TERMINAL = "('succeeded', 'failed', 'cancelled')"


@dataclass(frozen=True, slots=True)
class Check:
    """One question: how many things were looked at, and what is wrong with some of them."""

    name: str
    looked_at: int
    wrong: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """opened: ids of runs that a client was promised. jobs, callbacks: the emulator's record. jobs_per_run: when it
    succeeds."""

    opened: Collection[str]
    jobs: Sequence[Record]
    callbacks: Sequence[Record]
    jobs_per_run: int


def check(dsn: str, evidence: Evidence) -> list[Check]:
    """Every question's answer, from one snapshot of the database."""
    with psycopg.connect(dsn, connect_timeout=10) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        tables = Tables(connection)
        return [
            _question("lost runs", evidence.opened, _lost(tables, evidence)),
            _question("stuck runs", tables.runs, _stuck(tables)),
            _question("runs that ended badly", tables.runs, _bad(tables, evidence)),
            _question("tasks that did not end just once", tables.rows("SELECT id FROM tasks"), _ended(tables)),
            _question("jobs paid for twice", evidence.jobs, _paid_twice(evidence)),
            _question("jobs that nobody knows", evidence.jobs, _unknown(tables, evidence)),
            _question("leaked slots", tables.rows("SELECT account FROM slots"), _leaked(tables)),
            _question("lost deliveries", _acknowledged(evidence), _undelivered(tables, evidence)),
            _question("forgeries believed", _forged(evidence), _believed(tables, evidence)),
            _question("damaged objects", tables.objects, _damaged(tables)),
        ]


def _question(name: str, looked_at: Collection[Any], wrong: Iterable[str]) -> Check:
    return Check(name, len(looked_at), tuple(wrong))


class Tables:
    """What is read once and asked about more than once."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self.runs = self.rows("SELECT id::text, state::text, error::text FROM runs")
        self.objects = self.rows("SELECT run_id::text, uri, sha256, bytes FROM objects")
        # Of each delivery: its digest, and whether it was counted.
        self.verdicts = self.rows("SELECT encode(digest, 'hex'), verdict::text FROM callbacks")

    def rows(self, statement: LiteralString) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement).fetchall()


def _lost(tables: Tables, evidence: Evidence) -> Iterator[str]:
    there = {run for run, *_ in tables.runs}
    yield from (f"run {run} was promised and is not there" for run in set(evidence.opened) - there)
    yield from (f"run {run} was opened by nobody" for run in there - set(evidence.opened))


def _stuck(tables: Tables) -> Iterator[str]:
    yield from (f"run {run} is {state}" for run, state, _ in tables.runs if f"'{state}'" not in TERMINAL)
    for task, state, waiting_for, wake_at, looks in tables.rows(
        "SELECT id, state, waiting_for, wake_at, looks FROM tasks WHERE finished_at IS NULL"
    ):
        yield f"task {task} is {state}, waiting for {waiting_for}, to be looked at {wake_at}, looked at {looks} times"
    for (task,) in tables.rows("SELECT id FROM tasks WHERE finished_at IS NOT NULL AND NOT settled"):
        yield f"task {task} is over, and nobody has noticed"


def _bad(tables: Tables, evidence: Evidence) -> Iterator[str]:
    """The provider does every job in the end, so each run has to succeed, unless a contradiction came first."""
    contradicted = {one["task_id"] for one in _acknowledged(evidence) if one["kind"] == "contradict"}
    excused = {
        run
        for run, job in tables.rows("SELECT run_id::text, external_id FROM tasks WHERE state = 'failed'")
        if job in contradicted
    }
    for run, state, error in tables.runs:
        if state in {"failed", "cancelled"} and run not in excused:
            yield f"run {run} {state}: {error}"


def _ended(tables: Tables) -> Iterator[str]:
    for task, ends, state in tables.rows(
        "SELECT t.id, count(h.id), t.state FROM tasks t LEFT JOIN transitions h"
        " ON h.task_id = t.id AND h.to_state IN ('succeeded', 'failed', 'cancelled') GROUP BY t.id"
        " HAVING count(h.id) <> 1"
    ):
        yield f"task {task} is {state} and ended {ends} times"
    for task, state, former in tables.rows(
        "SELECT task_id, to_state, from_state FROM transitions WHERE from_state IN ('succeeded', 'failed', 'cancelled')"
    ):
        yield f"task {task} became {state} after it was {former}"


def _paid_twice(evidence: Evidence) -> Iterator[str]:
    """One task, one enlargement of one image, one prompt (each run has its own): one job each."""
    tasks = Counter(f"callback {job['callback_url']}" for job in evidence.jobs)
    images = Counter(f"{job['action']} of {job['image_id']}" for job in evidence.jobs if job["image_id"])
    prompts = Counter(f"prompt {job['prompt']!r}" for job in evidence.jobs if not job["image_id"])
    yield from (f"{count} jobs for {what}" for what, count in (tasks + images + prompts).items() if count > 1)


def _unknown(tables: Tables, evidence: Evidence) -> Iterator[str]:
    known = {name for (name,) in tables.rows("SELECT external_id FROM tasks WHERE external_id IS NOT NULL")}
    yield from (f"job {job['task_id']} is no task's" for job in evidence.jobs if job["task_id"] not in known)
    done = sum(state == "succeeded" for _, state, _ in tables.runs) * evidence.jobs_per_run
    if len(evidence.jobs) < done:
        yield f"{done} jobs would be needed for what succeeded, and {len(evidence.jobs)} were done"


def _leaked(tables: Tables) -> Iterator[str]:
    for account, number, task in tables.rows("SELECT account, number, task_id FROM slots WHERE task_id IS NOT NULL"):
        yield f"slot {number} of {account} is held by task {task}"


def _acknowledged(evidence: Evidence) -> list[Record]:
    return [one for one in evidence.callbacks if one["status"] and 200 <= one["status"] < 300]


def _undelivered(tables: Tables, evidence: Evidence) -> Iterator[str]:
    there = {digest for digest, _ in tables.verdicts}
    for one in _acknowledged(evidence):
        if one["digest"] not in there:
            yield f"callback {one['n']} ({one['kind']}) of job {one['task_id']} was answered {one['status']}"


def _forged(evidence: Evidence) -> list[Record]:
    return [one for one in evidence.callbacks if one["kind"] == "forged"]


def _believed(tables: Tables, evidence: Evidence) -> Iterator[str]:
    genuine = {one["digest"] for one in evidence.callbacks if one["kind"] != "forged"}
    believed = {digest for digest, verdict in tables.verdicts if verdict == "accepted"}
    for one in _forged(evidence):
        if one["digest"] in believed - genuine:
            yield f"callback {one['n']} was accepted"


def _damaged(tables: Tables) -> Iterator[str]:
    counts = Counter(run for run, *_ in tables.objects)
    for run, state, _ in tables.runs:
        if state == "succeeded" and counts[run] != 1:
            yield f"run {run} has {counts[run]} objects"
    for _, uri, sha256, size in tables.objects:
        path = Path(unquote(urlsplit(uri).path))
        content = path.read_bytes() if path.exists() else b""
        if len(content) != size or hashlib.sha256(content).hexdigest() != sha256:
            yield f"{uri} has {len(content)} bytes that are not those of {sha256}"
