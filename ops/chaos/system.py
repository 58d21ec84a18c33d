"""The system under trial: what ``orchestrator up`` starts, with short times, and a hostile emulator beside it."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import yaml

from ops.bench.children import accepts, free_port
from ops.chaos.brokers import KINDS, Broker
from ops.chaos.schedule import VICTIMS
from ops.cli.assembly import assemble
from ops.cli.stack import Stack
from ops.supervisor import Service
from ops.supervisor.service import Backoff
from orchestrator.errors import ConfigError

HOSTILITY = (
    "duplicate=0.2,reorder=0.2,drop=0.1,early=0.1,contradict=0.05,forge=0.05,"
    "submit_timeout=0.05,submit_5xx=0.025,rate_limit=0.025"
)
ACCOUNTS = tuple(f"chaos-{number}" for number in range(1, 9))  # a 429 makes an account pause: one would mostly wait
SLOTS = 16  # of each
FOREIGN = ("ORCHESTRATOR_", "ACEDATA_", "MJPROXY_", "IMAGINEAPI_", "DATABASE_URL", "BROKER_URL")
# Seconds; as in life, only shorter: an answer is given up before the silence after it is taken for one.
TIMES = {"ORCHESTRATOR_SUBMIT_TIMEOUT": "2", "ORCHESTRATOR_SETTLE": "4", "ORCHESTRATOR_SWEEP_EVERY": "0.5"}
QUIET, POLL, HANG, LATENCY, DELAY = 4, 1, 3.0, 0.3, 0.5


@dataclass(frozen=True, slots=True)
class Servers:
    """Servers that are there already; what is None is started, and may be struck like the others. broker: which kind
    of broker is started. wanted: who is to be struck."""

    database_url: str | None = None
    broker_url: str | None = None
    broker: str = "embedded"
    wanted: tuple[str, ...] = VICTIMS

    @property
    def victims(self) -> tuple[str, ...]:
        """Who is struck: none that was there before."""
        given = {"postgres": self.database_url, "broker": self.broker_url}
        return tuple(name for name in VICTIMS if name in self.wanted and not given.get(name))


@dataclass(frozen=True, slots=True)
class System:
    """The settings, the process table, and the broker that may be emptied."""

    stack: Stack
    services: tuple[Service, ...]
    broker: Broker


def build(home: Path, seed: int, servers: Servers) -> System:
    """What is to be started. Raises ConfigError, also when the given database is somebody's."""
    if servers.database_url:
        _refuse_used(servers.database_url)
    broker = KINDS[servers.broker](home)
    port = free_port(neighbours=3)
    stack = assemble(_environment(home, port + 2, servers, broker), demo=False, port=port, home=home)
    table = [_patient(one) for one in (*broker.services, *stack.services()) if one.name != "dashboard"]
    first = next(number for number, one in enumerate(table) if one.name == "web")
    return System(stack, (*table[:first], _emulator(stack, seed), *table[first:]), broker)


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


def _environment(home: Path, emulator: int, servers: Servers, broker: Broker) -> dict[str, str]:
    path = home / "accounts.yaml"
    path.write_text(yaml.safe_dump([_account(name, emulator) for name in ACCOUNTS]), encoding="ascii")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN) or name == "PG_BINDIR"}
    given = {"DATABASE_URL": servers.database_url, "BROKER_URL": servers.broker_url or broker.url}
    kept |= {name: value for name, value in given.items() if value}
    return kept | TIMES | {"ORCHESTRATOR_ACCOUNTS": str(path), "ORCHESTRATOR_ALLOW_HOSTS": "127.0.0.1"}


def _account(name: str, emulator: int) -> dict[str, Any]:
    wire = {"name": name, "provider": "acedata", "base_url": f"http://127.0.0.1:{emulator}", "token": name}
    return wire | {"slots": SLOTS, "quiet": QUIET, "poll": POLL}


def _refuse_used(url: str) -> None:
    try:
        with psycopg.connect(url, connect_timeout=10) as connection:
            found = connection.execute("SELECT to_regclass('runs') IS NOT NULL").fetchone()
    except psycopg.Error as error:
        raise ConfigError(f"the database cannot be reached: {type(error).__name__}") from error
    if found and found[0]:
        raise ConfigError("the database has runs of somebody's; chaos needs an empty one")
