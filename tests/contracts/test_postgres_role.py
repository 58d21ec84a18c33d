"""The service needs no more rights than docs/postgres.md grants it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from stage import stage
from store_path import walk

DOCS = Path(__file__).parents[2] / "docs/postgres.md"


def test_a_role_that_owns_nothing_walks_the_whole_path(database_url: str, make_services: Callable[..., Any]) -> None:
    granted = [line for line in DOCS.read_text().splitlines() if line.startswith("GRANT ")]
    assert len(granted) == 2
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("CREATE ROLE app LOGIN")
        for line in granted:
            owner.execute(line.encode())
    try:
        parts = urlsplit(database_url)
        url = urlunsplit(parts._replace(netloc="app@"))
        with stage(make_services, {"image_size": 128}, {"slots": 50}, {"database_url": url}) as built:
            walk(built)
    finally:
        with psycopg.connect(database_url, autocommit=True) as owner:
            owner.execute("DROP OWNED BY app")
            owner.execute("DROP ROLE app")
