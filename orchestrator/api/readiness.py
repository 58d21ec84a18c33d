"""What /readyz says of each part, and whether the receiver can take callbacks."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from orchestrator import fellows
from orchestrator.errors import BrokerUnavailable, DatabaseUnavailable, SpoolUnavailable
from orchestrator.services import Services
from orchestrator.store import health, processes

OK, UNKNOWN = "ok", "unknown: the database is not usable"
_OTHERS = ("worker", "queues", "beat", "sweep", "secret", "version", "settings", "installation")


@dataclass(frozen=True, slots=True)
class Readiness:
    """parts: ``ok`` or a sentence each. takes: whether a callback gets a 2xx. skew: migrations of a later version."""

    parts: dict[str, str]
    takes: bool
    skew: list[str]
    spool: dict[str, Any]

    @property
    def wanting(self) -> list[str]:
        """The parts that are not well."""
        return [name for name, said in self.parts.items() if said != OK]


def readiness(asked: Services, patience: int) -> Readiness:
    """patience: seconds for each part."""
    parts, skew = _database(asked, patience)
    usable = parts["database"] == parts["migrations"] == OK
    parts |= {"broker": _broker(asked, patience), "spool": _spool(asked)}
    parts |= _others(asked, patience) if usable else dict.fromkeys(_OTHERS, UNKNOWN)
    # Without a database deliveries go to the spool; without the spool to the database.
    return Readiness(parts, usable or parts["spool"] == OK, skew, depth(asked))


def depth(asked: Services) -> dict[str, Any]:
    """Of the spool: how much there is, and since when."""
    found = asked.spool.depth()
    return asdict(found) | {"since": found.since.isoformat() if found.since else None}


def _database(asked: Services, patience: int) -> tuple[dict[str, str], list[str]]:
    """The parts, and the migrations that the database has from a later version than this one."""
    try:
        with asked.db.connection(timeout=patience) as connection:
            missing, unknown = health.missing_migrations(connection), health.unknown_migrations(connection)
    except DatabaseUnavailable as error:
        return {"database": error.message, "migrations": "unknown"}, []
    return {"database": OK, "migrations": f"missing: {', '.join(missing)}" if missing else OK}, unknown


def _others(asked: Services, patience: int) -> dict[str, str]:
    try:
        with asked.db.connection(timeout=patience) as connection:
            found = processes.list_processes(connection)
            swept = processes.seconds_since_pass(connection, "sweep")
    except DatabaseUnavailable as error:
        return dict.fromkeys(_OTHERS, f"unknown: {error.message}")
    return fellows.compare(found, swept, asked.config)


def _broker(asked: Services, patience: int) -> str:
    try:
        asked.nudge.ping(patience)
    except BrokerUnavailable as error:
        return error.message
    return OK


def _spool(asked: Services) -> str:
    try:
        asked.spool.check()
    except SpoolUnavailable as error:
        return error.message
    return OK
