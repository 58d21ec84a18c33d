"""What a connection to Postgres is opened with, and what it has to find at the other end.

Nothing of a session is relied upon later: a pooler in transaction mode (PgBouncer) may stand in between. It takes no
options, so that the time-outs are then the role's or the database's own.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import tuple_row

from orchestrator.errors import ConfigError, UnfitDatabase
from orchestrator.store.queries import load

_SQL = load("session")

OLDEST = 15  # major version of the server; the newest that is tested is the embedded one's
STATEMENT_TIMEOUT = timedelta(seconds=15)
LOCK_TIMEOUT = timedelta(seconds=5)
IDLE_TIMEOUT = timedelta(seconds=30)  # inside a transaction
CONNECT_TIMEOUT = 5  # seconds
# A peer that is gone without a word is found in a minute while nothing is said, in 20 s when something is.
KEEPALIVES = {"keepalives": 1, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
UNACKNOWLEDGED = 20_000  # milliseconds


def parameters(url: str, name: str) -> dict[str, Any]:
    """What libpq is told besides the URL; what the URL itself says goes before. Raises ConfigError."""
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # Its message repeats what it could not read, and there may be a password in it.
        raise ConfigError("DATABASE_URL: it is not the URL of a Postgres database") from None
    own = {
        **KEEPALIVES,
        "tcp_user_timeout": UNACKNOWLEDGED,
        "connect_timeout": CONNECT_TIMEOUT,
        "application_name": name,
    }
    chosen = {key: value for key, value in own.items() if key not in given}
    return chosen | {"options": f"{_options()} {given.get('options', '')}".strip()}


def _options() -> str:
    times = {
        "statement_timeout": STATEMENT_TIMEOUT,
        "lock_timeout": LOCK_TIMEOUT,
        "idle_in_transaction_session_timeout": IDLE_TIMEOUT,
    }
    asked = [f"-c {key}={time // timedelta(milliseconds=1)}" for key, time in times.items()]
    return " ".join([*asked, "-c timezone=UTC"])


def takes_no_options(error: psycopg.Error) -> bool:
    """Whether a pooler refuses what only a server understands."""
    return "unsupported startup parameter" in str(error)


def greet(connection: psycopg.Connection[Any]) -> None:
    """Look who is there, and adapt to a pooler. Raises UnfitDatabase."""
    cursor = connection.cursor(row_factory=tuple_row)
    cursor.execute(_SQL["greet"], {"told": connection.info.backend_pid}, prepare=False)
    pooled, number, version, unlimited = cursor.fetchall()[0]
    check_version(number, version)
    if not pooled:
        return
    # A prepared statement would be looked for on another server connection than the one that has it.
    connection.prepare_threshold = None
    use_utc(connection)
    if unlimited:
        raise UnfitDatabase(
            f"there is a connection pooler before the database, and the role has no {', '.join(unlimited)}:"
            " see docs/postgres.md"
        )


def use_utc(connection: psycopg.Connection[Any]) -> None:
    """The one setting that a pooler remembers for each of its clients."""
    connection.execute(_SQL["use_utc"])


def check_version(number: int, version: str) -> None:
    """number: server_version_num. Raises UnfitDatabase."""
    if number < OLDEST * 10_000:
        raise UnfitDatabase(f"Postgres {version} is too old; {OLDEST} or newer is needed")


def is_pooled(connection: psycopg.Connection[Any]) -> bool:
    """Whether there is a pooler in between: it tells of another process than the one that works for us."""
    cursor = connection.cursor(row_factory=tuple_row)
    return bool(cursor.execute(_SQL["is_pooled"], {"told": connection.info.backend_pid}).fetchall()[0][0])
