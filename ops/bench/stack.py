"""What is measured: ``orchestrator up`` as users start it, in a temporary home, its account at the instant provider."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psutil
import psycopg
import yaml

from ops.bench.children import accepts, child, free_port, wait_for
from ops.embedded import broker, postgres
from ops.supervisor import running
from orchestrator.config import Config, load
from orchestrator.store.migrate import migrate

UP = (sys.executable, "-m", "ops.cli.main", "up")
ACCOUNT = "bench"
SLOTS = 256
SECRET = "a-secret-of-the-bench"  # noqa: S105 - it signs URLs that only the bench sees


@dataclass(frozen=True, slots=True)
class Stack:
    """The running stack. dsn: its database; env: the environment in which a process of ours finds everything."""

    home: Path
    port: int
    pid: int
    dsn: str
    env: Mapping[str, str]

    @property
    def config(self) -> Config:
        return load(self.env)

    @property
    def lonely_broker(self) -> str:
        """The same broker where no worker of the stack listens."""
        return self.env["BROKER_URL"].replace("virtual_host=0", "virtual_host=1")

    def pid_of(self, service: str) -> int:
        """The main process of a service: web, worker, beat, dashboard, postgres, broker."""
        state = running(self.home) or {}
        return int(state["services"][service]["pid"])

    @contextmanager
    def database(self, name: str) -> Iterator[str]:
        """A migrated database of its own on the same server; its URL. Dropped at the end."""
        self._sql(f"CREATE DATABASE {name}")
        url = urlunsplit(urlsplit(self.dsn)._replace(path=f"/{name}"))
        try:
            migrate(url)
            yield url
        finally:
            self._sql(f"DROP DATABASE {name} WITH (FORCE)")

    @contextmanager
    def second_web(
        self, target: str, database: str, log: Path, settings: Mapping[str, str] | None = None
    ) -> Iterator[tuple[int, psutil.Process]]:
        """Another server with the very command line of ``web``, but its own port, application, database and further
        settings, and a broker without consumers. Port and process."""
        port = free_port()
        argv = psutil.Process(self.pid_of("web")).cmdline()
        argv[argv.index("--port") + 1] = str(port)
        argv[-1] = target
        env = {**self.env, "DATABASE_URL": database, "BROKER_URL": self.lonely_broker, **(settings or {})}
        with child(argv, env=env, log=log) as started:
            wait_for(target, lambda: accepts(port), started, log)
            yield port, psutil.Process(started.pid)

    def _sql(self, statement: str) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(statement.encode())


@contextmanager
def stack(home: Path, provider_port: int) -> Iterator[Stack]:
    """``orchestrator up`` for the length of a block."""
    port = free_port(neighbours=2)
    accounts = home / "accounts.yaml"
    account = {"name": ACCOUNT, "provider": "acedata", "slots": SLOTS, "token": "bench"}
    account["base_url"] = f"http://127.0.0.1:{provider_port}"
    accounts.write_text(yaml.safe_dump([account]))
    foreign = ("ORCHESTRATOR_", "ACEDATA_", "MJPROXY_", "IMAGINEAPI_", "DATABASE_URL", "BROKER_URL")
    env = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    env |= {"ORCHESTRATOR_HOME": str(home), "ORCHESTRATOR_ACCOUNTS": str(accounts), "ORCHESTRATOR_SECRET": SECRET}
    env["ORCHESTRATOR_PUBLIC_URL"] = f"http://127.0.0.1:{port}"
    log = home / "up.log"
    with child([*UP, "--port", str(port), "--quiet"], env=env, log=log) as started:
        wait_for("orchestrator up", lambda: (running(home) or {}).get("state") == "running", started, log)
        dsn = postgres.start(home).dsn  # these attach to what runs
        env |= {"DATABASE_URL": dsn, "BROKER_URL": broker.start(home).url}
        yield Stack(home, port, started.pid, dsn, env)
