"""The store behind a real PgBouncer in transaction mode, where no statement knows which session it meets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from caller import Caller
from pooler import USER, Pooled, need_pgbouncer, pooled
from stage import stage
from store_path import walk

from orchestrator.errors import UnfitDatabase
from orchestrator.services import Services
from orchestrator.store import Database
from orchestrator.store.checkup import check_up
from orchestrator.store.migrate import migrate
from orchestrator.store.pool import value

TIME_OUTS = {"statement_timeout": "15s", "lock_timeout": "5s", "idle_in_transaction_session_timeout": "30s"}


@pytest.fixture(scope="module", params=["", "ignore_startup_parameters = options"], ids=["", "options ignored"])
def pooler(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pooled]:
    need_pgbouncer()
    settings = [request.param] if request.param else []
    with pooled(tmp_path_factory.mktemp("pooled"), *settings) as found:
        yield found


@pytest.fixture
def limited(pooler: Pooled) -> Iterator[Pooled]:
    """The role has the time-outs that the pooler keeps us from asking for."""
    migrate(pooler.direct)
    _alter(pooler, "SET {} = '{}'", TIME_OUTS)
    yield pooler
    _alter(pooler, "RESET {}", TIME_OUTS)


def _alter(pooler: Pooled, change: str, names: dict[str, str]) -> None:
    """Change the role's settings, and let the pooler's connections to the server begin anew."""
    with psycopg.connect(pooler.direct, autocommit=True) as own:
        for name, setting in names.items():
            own.execute(f"ALTER ROLE {USER} {change.format(name, setting)}".encode())
    with psycopg.connect(pooler.admin, autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'pooled'")


def test_without_the_roles_own_time_outs_a_pooler_is_refused(
    pooler: Pooled, make_services: Callable[..., Services]
) -> None:
    reason = "no idle_in_transaction_session_timeout, lock_timeout, statement_timeout: see docs/postgres.md"
    with pytest.raises(UnfitDatabase, match=reason):
        check_up(pooler.url)
    web = Caller(make_services())
    web.services.db.close()
    web.services.db = Database(pooler.url, timeout=1.0)
    problem = web.refused(503, "GET", "/v1/runs")
    assert problem["type"] == "/problems/database_unfit"
    assert reason in problem["detail"]


def test_migrations_are_refused_through_a_pooler(pooler: Pooled, make_database: Callable[..., str]) -> None:
    with psycopg.connect(pooler.direct, autocommit=True) as own:
        own.execute("DROP SCHEMA public CASCADE")
        own.execute("CREATE SCHEMA public")
    with pytest.raises(UnfitDatabase, match="own address"):
        migrate(pooler.url)
    with psycopg.connect(pooler.direct) as own:
        assert own.execute("SELECT to_regclass('runs')").fetchall() == [(None,)]


def test_the_whole_path_works_behind_a_pooler(limited: Pooled, make_services: Callable[..., Any]) -> None:
    assert migrate(limited.url) == []
    assert check_up(limited.url).missing == ()
    settings = {"database_url": limited.url, "pool": 8}
    with stage(make_services, {"image_size": 128}, {"slots": 50}, settings) as built:
        with built.services.db.connection() as connection:
            assert connection.prepare_threshold is None
            assert value(connection, "SELECT current_setting('TimeZone')") == "UTC"
            assert value(connection, "SELECT current_setting('lock_timeout')") == "5s"
        walk(built)
