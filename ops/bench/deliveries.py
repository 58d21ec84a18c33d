"""Tasks that wait for their provider, and for each the one delivery that ends it: as HTTP requests, and as SQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from ops.bench import load
from ops.bench.bodies import result
from ops.bench.stack import ACCOUNT, SECRET
from orchestrator.core.tokens import task_token
from orchestrator.providers import dialect

_GROUND = """
INSERT INTO pipelines VALUES ('bench', 1, '{}', now()) ON CONFLICT DO NOTHING;
INSERT INTO accounts (name, provider, slots) VALUES ('bench', 'acedata', 1) ON CONFLICT DO NOTHING;
CREATE TABLE IF NOT EXISTS bench_deliveries (n serial PRIMARY KEY, id uuid, task uuid, digest bytea, body bytea,
                                             events jsonb);
CREATE SEQUENCE IF NOT EXISTS bench_next;
"""
_TASKS = """
WITH wanted AS (SELECT id, n FROM unnest(%(ids)s::uuid[]) WITH ORDINALITY x(id, n)),
opened AS (INSERT INTO runs (id, pipeline, version, inputs, created_at)
           SELECT id, 'bench', 1, '{"prompt": "a cat"}', now() FROM wanted)
INSERT INTO tasks (id, run_id, step, item, attempt, kind, action, state, params, account, provider, external_id,
                   waiting_for, wake_at, deadline_at, timeout, submissions, created_at, submitted_at)
SELECT id, id, 'grid', 0, 1, 'provider', 'imagine', 'waiting', '{"with": {"prompt": "a cat"}, "parent": null}', 'bench',
       'acedata', id::text, 'provider', now() + '2 min', now() + '30 min', 1800, 1, now(), now()
FROM wanted
"""
_SLOTS = """
INSERT INTO slots (account, number, task_id)
SELECT 'bench', (SELECT coalesce(max(number), 0) FROM slots) + n, id
FROM unnest(%(ids)s::uuid[]) WITH ORDINALITY x(id, n)
"""
# What pgbench runs: the function that the receiver calls, its arguments from a table.
PGBENCH = """
SELECT receive(id, 'bench', task, 'callback', 'application/json', digest, body, events, true, now())
FROM bench_deliveries WHERE n = (SELECT nextval('bench_next'));
"""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One task's terminal callback."""

    task_id: UUID
    body: bytes

    @property
    def request(self) -> bytes:
        token = task_token((SECRET.encode(),), ACCOUNT, self.task_id)
        return load.request(f"/callbacks/{ACCOUNT}/{token}", self.body)


def prepare(connection: psycopg.Connection, count: int) -> list[Delivery]:
    """Insert ``count`` waiting tasks, each in a run and a slot of its own; their deliveries."""
    connection.execute(_GROUND)
    ids = [uuid7() for _ in range(count)]
    connection.execute(_TASKS, {"ids": ids})
    connection.execute(_SLOTS, {"ids": ids})
    return [Delivery(one, result(str(one), str(one.int % 10**19), "generate")) for one in ids]


def tidy(connection: psycopg.Connection) -> None:
    """What autovacuum does in a database that has been in use for a while."""
    for table in ("runs", "tasks", "slots", "callbacks", "bench_deliveries"):
        connection.execute(f"VACUUM ANALYZE {table}".encode())
    connection.execute("CHECKPOINT")


def as_requests(path: Path, deliveries: Sequence[Delivery]) -> None:
    """A file for the load generator."""
    load.write(path, (one.request for one in deliveries))


def as_rows(connection: psycopg.Connection, deliveries: Sequence[Delivery]) -> None:
    """Rows for pgbench, which takes them in turn."""
    with (
        connection.cursor() as cursor,
        cursor.copy("COPY bench_deliveries (id, task, digest, body, events) FROM STDIN (FORMAT binary)") as copy,
    ):
        copy.set_types(["uuid", "uuid", "bytea", "bytea", "jsonb"])
        for row in _rows(deliveries):
            copy.write_row(row)


def _rows(deliveries: Sequence[Delivery]) -> Iterator[tuple[UUID, UUID, bytes, bytes, Jsonb]]:
    read = dialect("acedata").read
    for one in deliveries:
        events = [event.as_json() for event in read(one.body)]
        yield uuid7(), one.task_id, sha256(one.body).digest(), one.body, Jsonb(events)
