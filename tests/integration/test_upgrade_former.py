"""The former release on the present schema: `migrate` comes first in an upgrade, and the former release serves on.

``former/`` holds its statements, and what it said and heard in a whole path (made with former/record.py at the last
release; made anew at each release, and never otherwise: a failure here is a migration that hurts who is serving).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import psycopg
import pytest
from caller import Caller
from former.record import PATH, live, plain
from psycopg.rows import dict_row

from orchestrator.broker.nudges import Silence
from orchestrator.core.tokens import account_token
from orchestrator.errors import DatabaseUnavailable
from orchestrator.receiver import Drainer
from orchestrator.services import Services
from orchestrator.store import migrate, queries
from workers.jobs import Lazily

SQL = PATH.parent / "sql"
FORMER = {path.stem: queries.statements(path.read_text(encoding="utf-8")) for path in sorted(SQL.glob("*.sql"))}
STATEMENTS = [(table, name) for table, found in FORMER.items() for name in found]
LINES = [json.loads(line) for line in PATH.read_text(encoding="utf-8").splitlines()]
LAST = "0001_the_path"  # the former release's last migration
TIMES = {"now", "until", "before", "wake_at", "retry_at", "at"}
DOCUMENTS = {"document", "inputs", "labels", "params", "result", "error", "events", "rows"}


@contextmanager
def connected(url: str) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    with psycopg.Connection[dict[str, Any]].connect(url, autocommit=True, row_factory=dict_row) as connection:
        yield connection


def numbered(text: str) -> str:
    """The statement with $1, $2 ... of the types that psycopg gives to these values."""
    number = count(1)
    types = dict.fromkeys(TIMES, "::timestamptz") | dict.fromkeys(DOCUMENTS, "::jsonb")
    plain_text = text.rstrip().rstrip(";")
    return re.sub(r"%\((\w+)\)s", lambda found: f"${next(number)}{types.get(found[1], '')}", plain_text)


def test_every_statement_of_the_former_release_can_be_prepared(database_url: str) -> None:
    broken = {}
    with connected(database_url) as connection:
        for table, name in STATEMENTS:
            try:
                connection.execute(f"PREPARE {table}_{name} AS {numbered(FORMER[table][name])}".encode())
            except psycopg.Error as error:
                broken[f"{table}.{name}"] = str(error)
    assert broken == {}


def test_the_former_release_hears_what_it_heard_before(database_url: str) -> None:
    """Every statement of its path, in order, with the values of that time: the same rows, new columns left out."""
    with connected(database_url) as connection:
        for number, line in enumerate(LINES, 1):
            table, name = line["statement"]
            values = {key: live(value) for key, value in line["values"].items()}
            cursor = connection.execute(FORMER[table][name].encode(), values)
            heard = [plain(row)["object"] for row in (cursor.fetchall() if cursor.description else [])]
            known = [
                {key: later(key, row.get(key, "missing"), former[key]) for key in former}
                for row, former in zip(heard, line["rows"], strict=False)
            ]
            assert (len(heard), known) == (len(line["rows"]), line["rows"]), (
                f"{table}.{name}, line {number} of {PATH.name}"
            )


def later(key: str, heard: Any, former: Any) -> Any:
    """What was heard; of a deadline, which hurts nobody when it comes later than it came then, what it was then."""
    if key != "deadline_at" or not heard or not former:
        return heard
    return former if live(heard) >= live(former) else heard


@pytest.mark.parametrize(
    "name", ["receive", "claim_submission", "record_submitted", "refuse_submission", "finish_task"]
)
def test_the_path_of_the_former_release_goes_through_its_functions(name: str) -> None:
    assert any(line["statement"][1] == name and line["rows"] for line in LINES)


def test_the_present_release_waits_for_its_migrations_and_loses_nothing(
    make_database: Any, make_config: Any, make_services: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_database(empty=True)
    own = {**migrate.files(), "9000_next": "ALTER TABLE tasks ADD COLUMN later integer;"}
    with monkeypatch.context() as former:
        former.setattr(migrate, "files", lambda: {name: text for name, text in own.items() if name <= LAST})
        migrate.migrate(url)
    for module in ("migrate", "health"):
        monkeypatch.setattr(f"orchestrator.store.{module}.files", lambda: own)
    services = Services(make_config(database_url=url), nudge=Silence(), pool=4)
    web = Caller(services)
    hook = f"/callbacks/acedata/{account_token(services.config.secrets, 'acedata')}"

    answers = [web.ask("POST", hook, role=None, json={"task_id": f"job-{n}", "success": True}) for n in range(3)]

    assert {answer.status_code for answer in answers} == {202}, "taken or spooled"
    assert "9000_next" in web.ask("GET", "/readyz").json["parts"]["migrations"]
    with pytest.raises(DatabaseUnavailable, match=r"lacks .*9000_next; run `orchestrator migrate`"):
        Lazily(lambda: services)()

    services.close()

    assert "9000_next" in migrate.migrate(url)
    services = make_services(database_url=url)
    Drainer(services).drain()
    kept = Caller(services).get("/v1/callbacks")["items"]
    assert sorted(one["external_id"] for one in kept) == ["job-0", "job-1", "job-2"]
    assert Caller(services).ask("GET", "/readyz").json["parts"]["migrations"] == "ok"
