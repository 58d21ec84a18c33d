"""What tests of every folder share: one Postgres per session, a database of its own per test, and services on it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest

from orchestrator.config import ROLES, Account, ApiToken, Config

if TYPE_CHECKING:
    from caller import Caller

    from ops.embedded.postgres import Postgres
    from orchestrator.services import Services

    MakeServices = Callable[..., Services]

TEMPLATE = "migrated"
# A shell that starts us in the background lets us and our children ignore Ctrl-C; some tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """An embedded Postgres of this session, with a migrated database that serves as the template."""
    from ops.embedded import postgres

    server = postgres.start(tmp_path_factory.mktemp("postgres"), die_with_parent=True)
    try:
        from orchestrator.store.migrate import migrate

        _run(server.dsn, f"CREATE DATABASE {TEMPLATE}")
        migrate(_named(server.dsn, TEMPLATE))
        yield server
    finally:
        server.stop()


@pytest.fixture
def make_database(postgres_server: Postgres) -> Iterator[Callable[..., str]]:
    """``make_database()`` gives a migrated database, with ``empty=True`` one with nothing; dropped at the end."""
    made: list[str] = []

    def make(*, empty: bool = False) -> str:
        made.append(f"test_{uuid4().hex}")
        _run(postgres_server.dsn, f"CREATE DATABASE {made[-1]} TEMPLATE {'template0' if empty else TEMPLATE}")
        return _named(postgres_server.dsn, made[-1])

    yield make
    for name in made:
        _run(postgres_server.dsn, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database_url(make_database: Callable[..., str]) -> str:
    """A fresh, migrated database of this test's own."""
    return make_database()


@pytest.fixture
def make_config(tmp_path: Path, database_url: str) -> Callable[..., Config]:
    """Configurations for this test's database: nobody answers for their accounts; overrides are Config's fields."""
    return lambda **overrides: _config(tmp_path, database_url, overrides)


@pytest.fixture
def make_services(make_config: Callable[..., Config]) -> Iterator[MakeServices]:
    """Services on this test's database, closed at its end.

    By default nudges say nothing (``nudge=``), the pool has 4 connections (``pool=``), the clock is real (``clock=``);
    every other keyword overrides a field of the configuration. The accounts are in the database.
    """
    from orchestrator.broker.nudges import Silence
    from orchestrator.services import Services

    made: list[Services] = []

    def make(nudge: Any = None, pool: int = 4, clock: Any = None, **overrides: Any) -> Services:
        services = Services(make_config(**overrides), nudge=nudge or Silence(), pool=pool, clock=clock)
        made.append(services)
        services.put_accounts()
        return services

    yield make
    for services in made:
        services.close()


@pytest.fixture
def web(make_services: MakeServices) -> Caller:
    """The web application with a client that can show a token of each role."""
    from caller import Caller

    return Caller(make_services())


@pytest.fixture(scope="module")
def shared_web(postgres_server: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """The same for a whole file: for tests that leave nothing behind which another one would notice."""
    from caller import Caller

    from orchestrator.broker.nudges import Silence
    from orchestrator.services import Services

    name = f"test_{uuid4().hex}"
    _run(postgres_server.dsn, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    config = _config(tmp_path_factory.mktemp("shared"), _named(postgres_server.dsn, name), {})
    services = Services(config, nudge=Silence(), pool=4)
    services.put_accounts()
    yield Caller(services)
    services.close()
    _run(postgres_server.dsn, f"DROP DATABASE {name} WITH (FORCE)")


def _config(folder: Path, database_url: str, overrides: dict[str, Any]) -> Config:
    accounts = [
        Account(name=name, provider="acedata", base_url="http://127.0.0.1:9", token=f"token-of-{name}")
        for name in ("acedata", "second")
    ]
    known: dict[str, Any] = {
        "home": folder / "home",
        "database_url": database_url,
        "secrets": (b"a secret of sixteen or more",),
        "archive_url": f"file://{folder / 'archive'}",
        "api_tokens": tuple(ApiToken.of(role, role, f"{role}-token-0123") for role in ROLES),
        "accounts": {account.name: account for account in accounts},
        "callback_rate": None,  # tests say more in a second than a provider does
        "api_rate": None,
    }
    return Config(**known | overrides)


def _named(dsn: str, database: str) -> str:
    """The same server's URL with another database."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{database}"))


def _run(dsn: str, statement: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement.encode())
