"""The system under trial: what ``orchestrator up`` starts, with short times, and a hostile emulator beside it."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import yaml

from ops.bench.children import accepts, free_port
from ops.chaos.schedule import VICTIMS
from ops.cli.stack import Stack, assemble
from ops.supervisor import Service
from ops.supervisor.service import Backoff
from orchestrator.errors import ConfigError

HOSTILITY = (
    "duplicate=0.2,reorder=0.2,drop=0.1,early=0.1,contradict=0.05,forge=0.05,"
    "submit_timeout=0.05,submit_5xx=0.025,rate_limit=0.025"
)
SLOTS = 16
FOREIGN = ("ORCHESTRATOR_", "ACEDATA_", "MJPROXY_", "IMAGINEAPI_", "DATABASE_URL", "BROKER_URL")
# Seconds; as in life, only shorter: an answer is given up before the silence after it is taken for one.
TIMES = {"ORCHESTRATOR_SUBMIT_TIMEOUT": "2", "ORCHESTRATOR_SETTLE": "4", "ORCHESTRATOR_SWEEP_EVERY": "0.5"}
QUIET, POLL, HANG, LATENCY, DELAY = 4, 1, 3.0, 0.3, 0.5


@dataclass(frozen=True, slots=True)
class Servers:
    """Servers that are there already; what is None is started, and is a victim like the others."""

    database_url: str | None = None
    broker_url: str | None = None

    @property
    def victims(self) -> tuple[str, ...]:
        given = {"postgres": self.database_url, "broker": self.broker_url}
        return tuple(name for name in VICTIMS if not given.get(name))


def build(home: Path, seed: int, servers: Servers) -> tuple[Stack, list[Service]]:
    """The settings and the process table. Raises ConfigError, also when the given database is somebody's."""
    if servers.database_url:
        _refuse_used(servers.database_url)
    port = free_port(neighbours=3)
    stack = assemble(_environment(home, port + 2, servers), demo=False, port=port, home=home)
    table = [_patient(one) for one in stack.services() if one.name != "dashboard"]
    first = next(number for number, one in enumerate(table) if one.name == "web")
    return stack, [*table[:first], _emulator(stack, seed), *table[first:]]


def _patient(service: Service) -> Service:
    """Who is killed every few seconds must not wait longer and longer."""
    return replace(service, backoff=Backoff(first=0.3, limit=2.0, stable=5.0))


def _emulator(stack: Stack, seed: int) -> Service:
    argv = [sys.executable, "-m", "ops.emulator", "--port", str(stack.emulator_port), "--seed", str(seed)]
    argv += ["--image-size", "128", "--latency", str(LATENCY), "--concurrency", str(SLOTS)]
    argv += ["--chaos", HOSTILITY, "--chaos-delay", str(DELAY), "--hang", str(HANG)]
    # Never again: its record is the evidence.
    return Service(
        "emulator", argv=argv, env=stack.environment, ready=lambda: accepts(stack.emulator_port), restart="never"
    )


def _environment(home: Path, emulator: int, servers: Servers) -> dict[str, str]:
    account = {"name": "chaos", "provider": "acedata", "base_url": f"http://127.0.0.1:{emulator}", "token": "chaos"}
    account |= {"slots": SLOTS, "quiet": QUIET, "poll": POLL}  # type: ignore[dict-item]  # YAML has numbers too
    path = home / "accounts.yaml"
    path.write_text(yaml.safe_dump([account]), encoding="ascii")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN) or name == "PG_BINDIR"}
    given = {"DATABASE_URL": servers.database_url, "BROKER_URL": servers.broker_url}
    kept |= {name: value for name, value in given.items() if value}
    return kept | TIMES | {"ORCHESTRATOR_ACCOUNTS": str(path), "ORCHESTRATOR_ALLOW_HOSTS": "127.0.0.1"}


def _refuse_used(url: str) -> None:
    try:
        with psycopg.connect(url, connect_timeout=10) as connection:
            found = connection.execute("SELECT to_regclass('runs') IS NOT NULL").fetchone()
    except psycopg.Error as error:
        raise ConfigError(f"the database cannot be reached: {type(error).__name__}") from error
    if found and found[0]:
        raise ConfigError("the database has runs of somebody's; chaos needs an empty one")
