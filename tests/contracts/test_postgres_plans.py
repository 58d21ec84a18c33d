"""Beside a hundred thousand old tasks the whole path reads no growing table from end to end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import psycopg
from stage import stage
from store_path import walk

GROWING = ["runs", "tasks", "transitions", "callbacks", "objects"]
OLD = """
    INSERT INTO pipelines VALUES ('old', 1, '{}', now());
    INSERT INTO runs (id, pipeline, version, state, inputs, created_at, finished_at)
    SELECT md5('run' || n)::uuid, 'old', 1, 'succeeded', '{"prompt": "a grey wolf"}', at, at
    FROM generate_series(1, 25000) n, LATERAL (SELECT now() - n * interval '1 minute') x (at);
    INSERT INTO accounts (name, provider, slots) VALUES ('old', 'acedata', 1);
    INSERT INTO tasks (id, run_id, step, item, attempt, kind, action, params, account, provider, external_id, timeout,
                       created_at, state, finished_at, settled, submissions)
    SELECT md5('task' || n)::uuid, md5('run' || (n % 25000 + 1))::uuid, 'grid', n / 25000, 1, 'provider', 'imagine',
           '{}', 'old', 'acedata', 'job-' || n, 60, at, 'succeeded', at, true, 1
    FROM generate_series(1, 100000) n, LATERAL (SELECT now() - n * interval '15 seconds') x (at);
    INSERT INTO transitions (task_id, to_state, cause, at) SELECT id, 'ready', 'advance', created_at FROM tasks;
    INSERT INTO callbacks (id, account, scope, task_id, external_id, source, verdict, digest, size, body, received_at)
    SELECT id, 'old', id, id, external_id, 'callback', 'accepted', decode(md5(id::text), 'hex'), 0, '', created_at
    FROM tasks WHERE item < 1;
    INSERT INTO objects (task_id, run_id, uri, sha256, bytes, width, height, content_type, source_url, archived_at)
    SELECT id, run_id, 'x', md5(id::text), 1, 1, 1, 'image/png', 'x', created_at FROM tasks WHERE item < 1"""
READ = "SELECT relname, seq_tup_read FROM pg_stat_user_tables WHERE relname = ANY(%s)"
BUSY = """SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
          AND backend_type = 'client backend'"""


def test_the_path_reads_no_growing_table_from_end_to_end(database_url: str, make_services: Callable[..., Any]) -> None:
    with psycopg.connect(database_url, autocommit=True) as onlooker:
        onlooker.execute(OLD.encode())
        onlooker.execute("VACUUM ANALYZE")
        onlooker.execute("SELECT pg_stat_force_next_flush()")
        before = dict(onlooker.execute(READ, [GROWING]).fetchall())
        with stage(make_services, {"image_size": 128}, {"slots": 50}, {"pool": 4}) as built:
            walk(built)
            built.services.db.close()  # a process tells what it has read when it ends
        over = time.monotonic() + 30
        while onlooker.execute(BUSY).rowcount:
            assert time.monotonic() < over
            time.sleep(0.02)  # between two looks
        onlooker.execute("SELECT pg_stat_clear_snapshot()")
        after = dict(onlooker.execute(READ, [GROWING]).fetchall())
    assert set(after) == set(GROWING)
    assert {name: after[name] - before[name] for name in after} == dict.fromkeys(GROWING, 0)
