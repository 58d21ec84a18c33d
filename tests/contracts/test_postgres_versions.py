"""The same on every Postgres that is installed, the oldest and the newest that we claim among them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from stage import stage
from store_path import walk

from ops.embedded import binaries, postgres
from ops.embedded.binaries import find_binaries, major_version
from orchestrator.errors import UnfitDatabase
from orchestrator.store.checkup import check_up
from orchestrator.store.migrate import files, migrate
from orchestrator.store.session import OLDEST

NEWEST = 18
GIVEN = "POSTGRES_BINDIRS"  # more servers' bin folders, with a colon between them


def installed() -> dict[int, Path]:
    """Folders with a server's programs by major version: POSTGRES_BINDIRS', the system's, and the wheel's."""
    given = [Path(one) for one in os.environ.get(GIVEN, "").split(":") if one]
    folders = [*given, *sorted(Path("/usr/lib/postgresql").glob("*/bin")), find_binaries()]
    return {major_version(folder): folder for folder in folders if (folder / "initdb").is_file()}


FOUND = installed()


def major_version_of(server: postgres.Postgres) -> int:
    with psycopg.connect(server.dsn) as connection:
        return connection.info.server_version // 10_000


@pytest.fixture(scope="module", params=sorted({*FOUND, OLDEST, NEWEST}))
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[postgres.Postgres]:
    major = request.param
    if major not in FOUND:
        assert not os.environ.get("CI"), f"CI installs Postgres {major}"
        pytest.skip(f"Postgres {major} is not installed (make test-deps)")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(binaries, "WHEELS", ())  # else the wheel's server is always the one
        found = postgres.start(tmp_path_factory.mktemp(f"v{major}"), bindir=FOUND[major], die_with_parent=True)
    yield found
    found.stop()


def test_the_whole_path_works_or_the_server_is_refused(
    server: postgres.Postgres, make_services: Callable[..., Any]
) -> None:
    if major_version_of(server) < OLDEST:
        for ask in (check_up, migrate):
            with pytest.raises(UnfitDatabase, match="too old"):
                ask(server.dsn)
        return
    assert migrate(server.dsn) == list(files())
    assert migrate(server.dsn) == []
    with stage(make_services, {"image_size": 128}, {"slots": 50}, {"database_url": server.dsn, "pool": 8}) as built:
        walk(built)
