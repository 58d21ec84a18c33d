"""What ``orchestrator up`` starts: servers of its own where DATABASE_URL or BROKER_URL are unset, and our processes."""

from __future__ import annotations

import re
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ops.cli.ports import LOOPBACK, url_of
from ops.embedded import broker, postgres
from ops.supervisor import Handle, Service
from orchestrator.config import Config
from orchestrator.config.api_tokens import entries

THREADS = 24  # of the web process, as in the Procfile; docs/limits.md says who may hold how many
ANSWERING = 20  # seconds that the web process has for requests in flight when it is asked to end
MARGIN = 15.0  # seconds until a process that has overstepped its own bound is killed
# What every start and stop says; `up` says it shorter, and the log files have it.
NOISE = {
    "postgres": re.compile(
        r" LOG:  (starting Postgre|listening on|database system (was shut down|is shut down|is ready)|received fast"
        r"|aborting any|background worker .* exited with exit code 1|shutting down|checkpoint (starting|complete))"
    ),
    # It keeps nothing on disk, so it never forks to save.
    "broker": re.compile(r"overcommit_memory|Received SIGTERM|ready to exit"),
}
HARMLESS = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV")


@dataclass
class Stack:
    """What is to be started: the home, the environment of our processes, and where they answer."""

    config: Config
    host: str
    port: int
    demo: bool
    base: Mapping[str, str]
    chaos: str = ""
    own_token: str | None = None  # the API token, if it is of our making
    found: dict[str, str] = field(default_factory=dict)  # what the embedded servers have told

    @property
    def home(self) -> Path:
        return self.config.home

    @property
    def url(self) -> str:
        return url_of(self.host, self.port)

    @property
    def dashboard_port(self) -> int:
        return self.port + 1

    @property
    def emulator_port(self) -> int:
        return self.port + 2

    def environment(self) -> dict[str, str]:
        """The environment of our own processes, once the servers before them have addresses."""
        # Our processes have no use for the API tokens themselves, and others of this user can read an environment.
        tokens = ",".join(entry.as_hashed() for entry in entries(self.base.get("ORCHESTRATOR_API_TOKENS", "")))
        return {**self.base, **self.found, "ORCHESTRATOR_API_TOKENS": tokens}

    def services(self) -> list[Service]:
        """The process table, in the order of starting."""
        own_database = [] if self.config.database_url else [self._embedded("postgres", self._start_postgres)]
        own_broker = [] if self.config.broker_url else [self._embedded("broker", self._start_broker)]
        emulator = [self._emulator()] if self.demo else []
        return [*own_database, *own_broker, self._migrate(), *emulator, self._web(), *self._celery(), self._dashboard()]

    def _embedded(self, name: str, start: Callable[[int], Handle]) -> Service:
        return Service(name, start=start, noise=NOISE[name])

    def _start_postgres(self, output: int) -> Handle:
        server = postgres.start(
            self.home, output=output, die_with_parent=True, bindir=_path(self.base.get("PG_BINDIR"))
        )
        self.found["DATABASE_URL"] = server.dsn
        return server

    def _start_broker(self, output: int) -> Handle:
        server = broker.start(self.home, output=output, die_with_parent=True)
        self.found["BROKER_URL"] = server.url
        return server

    def _migrate(self) -> Service:
        return Service(
            "migrate", argv=[sys.executable, "-m", "ops.cli.main", "migrate"], env=self.environment, once=True
        )

    def _emulator(self) -> Service:
        url = url_of(LOOPBACK, self.emulator_port)
        argv = [sys.executable, "-m", "ops.emulator", "--port", str(self.emulator_port), "--latency", "3"]
        argv += ["--chaos", self.chaos] if self.chaos else []
        # It plays a stranger, and a stranger knows none of our secrets.
        env = {name: value for name, value in self.base.items() if name in HARMLESS}
        return Service("emulator", argv=argv, env=env, ready=lambda: _answers(f"{url}/_emulator/stats"), url=url)

    def _web(self) -> Service:
        return Service(
            "web",
            argv=granian("orchestrator.web:create", self.host, self.port, threads=THREADS),
            env=self.environment,
            ready=lambda: _answers(f"{self.url}/healthz"),
            stop_timeout=ANSWERING + MARGIN,
            url=self.url,
        )

    def _celery(self) -> list[Service]:
        celery = [sys.executable, "-m", "celery", "--quiet", "-A", "workers.app"]  # without their banners
        queues = "advance,submit,media,sweep"
        worker = ["worker", "--pool", "threads", "--concurrency", "16", "-Q", queues, "--without-gossip"]
        # The one schedule is fixed, so there is nothing to remember on disk.
        beat = ["beat", "--scheduler", "celery.beat:Scheduler", "--pidfile", ""]
        return [
            Service(
                "worker",
                argv=[*celery, *worker, "--without-mingle"],
                env=self.environment,
                says="worker ready",
                stop_timeout=self.config.drain + MARGIN,
            ),
            Service("beat", argv=[*celery, *beat], env=self.environment, says="beat ready"),
        ]

    def _dashboard(self) -> Service:
        url = url_of(LOOPBACK, self.dashboard_port)
        argv = granian("ops.dashboard.app:create", LOOPBACK, self.dashboard_port, threads=2)
        return Service(
            "dashboard",
            argv=argv,
            env=self.environment,
            ready=lambda: _answers(f"{url}/healthz"),
            stop_timeout=ANSWERING + MARGIN,
            url=url,
        )


# HTTP/1 alone, some 100 kB of headers, 10 seconds for them and between two requests; the Procfile has them too.
HTTP_LIMITS = ["--http", "1", "--http1-header-read-timeout", "10000", "--http1-buffer-size", "65536"]


def granian(target: str, host: str, port: int, *, threads: int) -> list[str]:
    """The command that serves an application. Its limits are those of the Procfile."""
    serve = [sys.executable, "-m", "ops.serve", "--interface", "wsgi", "--factory", "--host", host, "--port", str(port)]
    limits = ["--workers", "1", "--blocking-threads", str(threads), "--backlog", "2048", "--no-access-log"]
    end = ["--workers-kill-timeout", str(ANSWERING), "--respawn-failed-workers", "--log-level", "warning"]
    return [*serve, *limits, *HTTP_LIMITS, *end, target]


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own loopback address
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None
