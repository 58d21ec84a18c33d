"""The checker of the chaos command complains: each thing that may be wrong is made wrong once."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ops.chaos.checker import Evidence, check

RUN, TASK = "00000000-0000-7000-8000-000000000001", "00000000-0000-7000-8000-00000000000a"
DIGEST = hashlib.sha256(b"body").hexdigest()
FORGED = hashlib.sha256(b"forged").hexdigest()
HEALTHY = f"""
INSERT INTO accounts (name, provider, slots) VALUES ('chaos', 'acedata', 1);
INSERT INTO slots (account, number) VALUES ('chaos', 1);
INSERT INTO pipelines VALUES ('chaos', 1, '{{}}', now());
INSERT INTO runs (id, pipeline, version, state, inputs, created_at, finished_at)
VALUES ('{RUN}', 'chaos', 1, 'succeeded', '{{}}', now(), now());
INSERT INTO tasks (id, run_id, step, item, attempt, kind, action, state, params, account, external_id, timeout, settled,
                   created_at, finished_at)
VALUES ('{TASK}', '{RUN}', 'grid', 0, 1, 'provider', 'imagine', 'succeeded', '{{}}', 'chaos', 'job-1', 60, true,
        now(), now());
INSERT INTO transitions (task_id, from_state, to_state, cause, at)
VALUES ('{TASK}', 'waiting', 'succeeded', 'x', now());
INSERT INTO callbacks (id, account, scope, source, verdict, digest, size, body, received_at)
VALUES ('{TASK}', 'chaos', '{TASK}', 'push', 'accepted', '\\x{DIGEST}', 4, 'body', now());
"""
OBJECT = """
INSERT INTO objects (task_id, run_id, uri, sha256, bytes, width, height, content_type, source_url, archived_at)
VALUES (%s, %s, %s, %s, 5, 1, 1, 'image/png', '', now())
"""
ENTRY = {"n": 1, "kind": "true", "task_id": "job-1", "digest": DIGEST, "status": 200}
JOB = {"task_id": "job-1", "callback_url": "u", "image_id": None, "action": "generate", "prompt": "picture 1"}


def wrong(url: str, opened: tuple[str, ...] = (RUN,), jobs: Any = (JOB,), callbacks: Any = (ENTRY,)) -> set[str]:
    return {one.name for one in check(url, Evidence(opened, jobs, callbacks, 1)) if one.wrong}


@pytest.fixture
def picture(database_url: str, tmp_path: Path) -> Path:
    path = tmp_path / "picture"
    path.write_bytes(b"image")
    with psycopg.connect(database_url) as connection:
        connection.execute(HEALTHY.encode())
        connection.execute(OBJECT, (TASK, RUN, f"file://{path}", hashlib.sha256(b"image").hexdigest()))
    return path


def test_what_is_right_is_not_complained_of(database_url: str, picture: Path) -> None:
    assert wrong(database_url) == set()


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("DELETE FROM runs", {"lost runs", "jobs that nobody knows"}),
        ("UPDATE runs SET state = 'running', finished_at = NULL", {"stuck runs"}),
        ("UPDATE runs SET state = 'paused', finished_at = NULL", {"stuck runs"}),
        ("UPDATE tasks SET state = 'uncertain', finished_at = NULL, wake_at = now()", {"stuck runs"}),
        ("UPDATE tasks SET settled = false", {"stuck runs"}),
        ("UPDATE runs SET state = 'failed'", {"runs that ended badly"}),
        ("DELETE FROM transitions", {"tasks that did not end just once"}),
        ("UPDATE transitions SET from_state = 'failed'", {"tasks that did not end just once"}),
        ("UPDATE tasks SET external_id = 'job-2'", {"jobs that nobody knows"}),
        (f"UPDATE slots SET task_id = '{TASK}'", {"leaked slots"}),
        ("DELETE FROM callbacks", {"lost deliveries"}),
        ("DELETE FROM objects", {"damaged objects"}),
    ],
)
def test_what_is_wrong_in_the_tables_is_found(database_url: str, picture: Path, damage: str, found: set[str]) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(damage.encode())

    assert found == wrong(database_url)


@pytest.mark.parametrize(
    ("other", "found"),
    [
        ({"prompt": "picture 2"}, {"jobs paid for twice"}),
        ({"callback_url": "v"}, {"jobs paid for twice"}),
        ({"callback_url": "v", "prompt": "picture 2"}, set()),
    ],
)
def test_a_second_job_for_one_task_or_one_prompt_is_found(
    database_url: str, picture: Path, other: dict[str, str], found: set[str]
) -> None:
    assert wrong(database_url, jobs=(JOB, JOB | other)) == found


def test_the_same_enlargement_twice_is_found(database_url: str, picture: Path) -> None:
    enlarged = [JOB | {"image_id": "i", "action": "upscale1", "callback_url": url} for url in ("v", "w")]

    assert wrong(database_url, jobs=(JOB, *enlarged)) == {"jobs paid for twice"}


def test_a_forgery_that_counted_and_an_object_that_changed_are_found(database_url: str, picture: Path) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(f"UPDATE callbacks SET digest = '\\x{FORGED}'".encode())
    picture.write_bytes(b"imagf")

    forged = ENTRY | {"kind": "forged", "digest": FORGED}
    assert wrong(database_url, callbacks=(forged,)) == {"forgeries believed", "damaged objects"}
