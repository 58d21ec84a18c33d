"""Whether a callback costs the same when a million have been stored before it."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

import psycopg

from ops.bench import deliveries, pgbench
from ops.bench.deliveries import PGBENCH
from ops.bench.stack import Stack

FEW, MANY = 1_000, 1_000_000
ROUNDS = 3
# Old callbacks of tasks long gone. Their bodies are short: what could grow with their number are the indexes.
_FILL = """
INSERT INTO callbacks (id, account, scope, task_id, external_id, source, verdict, digest, size, body, received_at)
SELECT id, 'bench', id, id, id::text, 'callback', 'accepted', sha256(id::text::bytea), 8, 'an event', at
FROM (SELECT (lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint - %(count)s + n), 12, '0') || '7000'
              || lpad(to_hex((random() * 4e9)::bigint), 16, '8'))::uuid AS id,
             now() - make_interval(secs => (%(count)s - n) / 1000.0) AS at
      FROM generate_series(1, %(count)s) n) old
"""


@dataclass(frozen=True, slots=True)
class History:
    """Microseconds of one callback in the database, one at a time: the median with FEW and with MANY stored ones."""

    few: float
    many: float


def measure(stack: Stack, *, count: int) -> History:
    with stack.database("bench_history") as url:
        _fill(url, FEW)
        few = _cost(stack, url, count)
        _fill(url, MANY)
        return History(few, _cost(stack, url, count))


def _cost(stack: Stack, url: str, count: int) -> float:
    medians = []
    for _ in range(ROUNDS):
        with psycopg.connect(url, autocommit=True) as connection:
            prepared = deliveries.prepare(connection, count)
            deliveries.as_rows(connection, prepared)
            deliveries.tidy(connection)
        done = pgbench.run(url, PGBENCH, clients=1, transactions=count, folder=stack.home)
        medians.append(statistics.median(done.milliseconds) * 1000)
    return min(medians)  # the calmest round: a busy moment only adds


def _fill(url: str, count: int) -> None:
    """Store callbacks; the indexes are made anew afterwards, which is many times quicker than row by row."""
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(
            "SELECT indexname, indexdef FROM pg_indexes"
            " WHERE tablename = 'callbacks' AND indexdef NOT LIKE 'CREATE UNIQUE %'"
        ).fetchall()
        for name, _ in found:
            connection.execute(f"DROP INDEX {name}".encode())
        connection.execute(_FILL, {"count": count})
        for _, definition in found:
            connection.execute(definition.encode())
