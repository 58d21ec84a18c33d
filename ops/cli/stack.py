"""What ``orchestrator up`` starts: servers of its own where DATABASE_URL or BROKER_URL are unset, and our processes."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import socket
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ops.embedded import broker, postgres
from ops.supervisor import Handle, Service, running
from orchestrator.config import Config, load
from orchestrator.config.api_tokens import entries, hashed
from orchestrator.errors import ConfigError

DEMO_TOKEN = "demo-token-of-the-emulator"  # noqa: S105 - the emulator takes any
DEMO_ACCOUNTS = """accounts:
  - {{name: acedata, provider: acedata, base_url: "{url}", token: {token}, stream: true}}
"""
THREADS = 24  # of the web process, as in the Procfile; docs/limits.md says who may hold how many
LEFTOVERS = 8.0  # seconds
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
LOOPBACK = "127.0.0.1"
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


def assemble(
    environment: Mapping[str, str],
    *,
    demo: bool,
    port: int,
    host: str = "127.0.0.1",
    home: Path | None = None,
    chaos: str = "",
) -> Stack:
    """The stack for these settings; makes the home folder, the signing secret and an API token when there are none."""
    base = dict(environment)
    if home:
        base["ORCHESTRATOR_HOME"] = str(home.absolute())
    base.setdefault("ORCHESTRATOR_PUBLIC_URL", url_of(host, port))
    folder = load(base).home
    try:
        made = _prepared(folder, base, demo=url_of(LOOPBACK, port + 2) if demo else None)
    except OSError as error:
        raise ConfigError(f"ORCHESTRATOR_HOME: {folder} cannot be used: {error}") from error
    base |= made
    own_token = _kept(folder / "api-token") if "ORCHESTRATOR_API_TOKENS" in made else None
    stack = Stack(config=load(base), host=host, port=port, demo=demo, base=base, chaos=chaos, own_token=own_token)
    _check_broker(stack.config.broker_url)
    _check_ports(stack)
    return stack


def _prepared(folder: Path, base: Mapping[str, str], *, demo: str | None) -> dict[str, str]:
    """Make the home and what it keeps; the variables that lead to it. demo: where the emulator will answer."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    owner = running(folder)
    if owner:
        where = f" at {owner['address']}" if owner.get("address") else ""
        raise ConfigError(
            f"already running{where}: process {owner['pid']}, since {owner['since']}; stop it, or use --home"
        )
    found = {"ORCHESTRATOR_HOME": str(folder)}
    if not base.get("ORCHESTRATOR_SECRET"):
        found["ORCHESTRATOR_SECRET"] = _kept(folder / "secret")
    if not base.get("ORCHESTRATOR_API_TOKENS"):
        found["ORCHESTRATOR_API_TOKENS"] = f"local:admin:{hashed(_kept(folder / 'api-token'))}"
    if demo:
        # In the place of the user's own accounts: one of the same name would have the demo paid for.
        accounts = folder / "demo-accounts.yaml"
        accounts.write_text(DEMO_ACCOUNTS.format(url=demo, token=DEMO_TOKEN), encoding="ascii")
        found["ORCHESTRATOR_ACCOUNTS"] = str(accounts)
        found["ORCHESTRATOR_ALLOW_HOSTS"] = ",".join(filter(None, [base.get("ORCHESTRATOR_ALLOW_HOSTS"), LOOPBACK]))
    return found


def _kept(path: Path) -> str:
    """The secret in a file that only we can read; made when there is none, once, whoever is quicker."""
    if not path.exists():
        with tempfile.NamedTemporaryFile("w", dir=path.parent, encoding="ascii") as draft:  # mode 0600
            draft.write(secrets.token_urlsafe(32) + "\n")
            draft.flush()
            with contextlib.suppress(FileExistsError):
                os.link(draft.name, path)
    return path.read_text(encoding="ascii").strip()


def _check_broker(url: str | None) -> None:
    """Raises ConfigError for a transport that kombu has not; else the worker would end again and again."""
    if not url:
        return
    from kombu import Connection  # noqa: PLC0415 - an embedded broker needs none of it here

    try:
        Connection(url).get_transport_cls()  # as the worker will: redis+socket:// is a transport too
    except (KeyError, ImportError, ValueError) as error:
        raise ConfigError("BROKER_URL is not one that Celery can use; allowed: amqp://..., redis://...") from error


def _check_ports(stack: Stack) -> None:
    wanted = [("--port", stack.host, stack.port), ("dashboard", LOOPBACK, stack.dashboard_port)]
    wanted += [("emulator", LOOPBACK, stack.emulator_port)] if stack.demo else []
    # The processes of a start that was killed may still be ending, and their ports with them.
    patience = LEFTOVERS if (stack.home / "state.json").exists() else 0.0
    over = time.monotonic() + patience
    for name, host, port in wanted:
        while error := _hindrance(host, port):
            if error.errno != errno.EADDRINUSE:
                raise ConfigError(f"nobody can listen at {host}, port {port} ({name}): {error.strerror}") from error
            if time.monotonic() > over:
                raise ConfigError(f"port {port} ({name}) is taken; choose another --port") from error
            time.sleep(0.05)


def _hindrance(host: str, port: int) -> OSError | None:
    """Why nobody can listen there; None when one can."""
    try:
        socket.create_server((host, port), family=_family(host)).close()
    except OSError as error:
        return error
    return None


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def url_of(host: str, port: int) -> str:
    """Where a server that listens there is reached from this machine."""
    reached = {"0.0.0.0": LOOPBACK, "::": "::1"}.get(host, host)  # noqa: S104 - compared, not listened on
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


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
