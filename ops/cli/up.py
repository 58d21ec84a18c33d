"""``orchestrator up``: everything in one terminal, on servers of its own where DATABASE_URL or BROKER_URL are unset."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import click

from ops.embedded import broker, postgres
from ops.supervisor import AlreadyRunning, Handle, Service, Supervisor, SupervisorError, running
from orchestrator.config import Config, load
from orchestrator.errors import ConfigError

DEMO_TOKEN = "demo-token-of-the-emulator"  # noqa: S105 - the emulator takes any


@dataclass
class Stack:
    """What is to be started: the home, the environment of our processes, and where they answer."""

    config: Config
    host: str
    port: int
    demo: bool
    base: Mapping[str, str]
    chaos: str = ""
    found: dict[str, str] = field(default_factory=dict)  # what the embedded servers have told

    @property
    def home(self) -> Path:
        return self.config.home

    @property
    def url(self) -> str:
        return f"http://{'127.0.0.1' if self.host == '0.0.0.0' else self.host}:{self.port}"  # noqa: S104

    @property
    def dashboard_port(self) -> int:
        return self.port + 1

    @property
    def emulator_port(self) -> int:
        return self.port + 2

    def environment(self) -> dict[str, str]:
        """The environment of our own processes, once the servers before them have addresses."""
        return {**self.base, **self.found}

    def services(self) -> list[Service]:
        """The process table, in the order of starting."""
        own_database = [] if self.config.database_url else [self._embedded("postgres", self._start_postgres)]
        own_broker = [] if self.config.broker_url else [self._embedded("broker", self._start_broker)]
        emulator = [self._emulator()] if self.demo else []
        return [*own_database, *own_broker, self._migrate(), *emulator, self._web(), *self._celery(), self._dashboard()]

    def _embedded(self, name: str, start: Callable[[int], Handle]) -> Service:
        return Service(name, start=start)

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
        url = f"http://127.0.0.1:{self.emulator_port}"
        argv = [sys.executable, "-m", "ops.emulator", "--port", str(self.emulator_port), "--latency", "3"]
        argv += ["--chaos", self.chaos] if self.chaos else []
        return Service(
            "emulator", argv=argv, env=self.environment, ready=lambda: _answers(f"{url}/_emulator/stats"), url=url
        )

    def _web(self) -> Service:
        argv = _granian("orchestrator.web:create", self.host, self.port, threads=8)
        return Service(
            "web", argv=argv, env=self.environment, ready=lambda: _answers(f"{self.url}/healthz"), url=self.url
        )

    def _celery(self) -> list[Service]:
        celery = [sys.executable, "-m", "celery", "-A", "workers.app"]
        queues = "advance,submit,media,sweep"
        worker = ["worker", "--pool", "threads", "--concurrency", "16", "-Q", queues, "--without-gossip"]
        # The one schedule is fixed, so there is nothing to remember on disk.
        beat = ["beat", "--scheduler", "celery.beat:Scheduler", "--pidfile", ""]
        return [
            Service("worker", argv=[*celery, *worker, "--without-mingle"], env=self.environment, stop_timeout=40.0),
            Service("beat", argv=[*celery, *beat], env=self.environment),
        ]

    def _dashboard(self) -> Service:
        url = f"http://127.0.0.1:{self.dashboard_port}"
        argv = _granian("ops.dashboard.app:create", "127.0.0.1", self.dashboard_port, threads=2)
        return Service("dashboard", argv=argv, env=self.environment, ready=lambda: _answers(f"{url}/healthz"), url=url)


@click.command()
@click.option("--demo", is_flag=True, help="Start a provider emulator too, and use it as the account acedata.")
@click.option("--port", default=8080, show_default=True, help="Of the receiver and the API; +1 dashboard, +2 emulator.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--home", type=click.Path(path_type=Path), help="Data folder [ORCHESTRATOR_HOME].")
@click.option("--quiet", is_flag=True, help="Keep the processes' lines out of the terminal; HOME/log has them.")
def up(demo: bool, port: int, host: str, home: Path | None, quiet: bool) -> None:
    """Start everything in one terminal; Ctrl-C stops it."""
    try:
        stack = assemble(os.environ, demo=demo, port=port, host=host, home=home)
        click.echo(greeting(stack))
        status = Supervisor(stack.home, stack.services(), address=stack.url, quiet=quiet).run()
    except (AlreadyRunning, SupervisorError, ConfigError, postgres.EmbeddedError) as error:
        raise click.ClickException(str(error)) from error
    sys.exit(status)


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
    base.setdefault("ORCHESTRATOR_PUBLIC_URL", f"http://127.0.0.1:{port}")
    folder = load(base).home
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    owner = running(folder)
    if owner:
        where = f" at {owner['address']}" if owner.get("address") else ""
        raise ConfigError(
            f"already running{where}: process {owner['pid']}, since {owner['since']}; stop it, or use --home"
        )
    base["ORCHESTRATOR_HOME"] = str(folder)
    if not base.get("ORCHESTRATOR_SECRET"):
        base["ORCHESTRATOR_SECRET"] = _kept(folder / "secret")
    if not base.get("ORCHESTRATOR_API_TOKENS"):
        base["ORCHESTRATOR_API_TOKENS"] = f"local:admin:{_kept(folder / 'api-token')}"
    if demo:
        base |= {"ACEDATA_TOKEN": DEMO_TOKEN, "ACEDATA_BASE_URL": f"http://127.0.0.1:{port + 2}"}
        base["ORCHESTRATOR_ALLOW_HOSTS"] = ",".join(filter(None, [base.get("ORCHESTRATOR_ALLOW_HOSTS"), "127.0.0.1"]))
    stack = Stack(config=load(base), host=host, port=port, demo=demo, base=base, chaos=chaos)
    _check_ports(stack)
    return stack


def greeting(stack: Stack) -> str:
    """What is about to start, and how to reach it."""
    accounts = ", ".join(sorted(stack.config.accounts)) or "none (set ACEDATA_TOKEN, or use --demo)"
    lines = [
        f"API and receiver  {stack.url}   (documentation at {stack.url}/docs)",
        f"dashboard         http://127.0.0.1:{stack.dashboard_port}",
        f"home              {stack.home}",
        f"API token         {stack.home / 'api-token'} (the commands of this machine read it by themselves)",
        f"accounts          {accounts}",
    ]
    return "\n".join(lines)


def _kept(path: Path) -> str:
    """The secret in a file that only we can read; made when there is none, once, whoever is quicker."""
    if not path.exists():
        with tempfile.NamedTemporaryFile("w", dir=path.parent, encoding="ascii") as draft:  # mode 0600
            draft.write(secrets.token_urlsafe(32) + "\n")
            draft.flush()
            with contextlib.suppress(FileExistsError):
                os.link(draft.name, path)
    return path.read_text(encoding="ascii").strip()


def _check_ports(stack: Stack) -> None:
    ports = {"--port": stack.port, "dashboard": stack.dashboard_port, "emulator": stack.emulator_port}
    for name, port in ports.items():
        if name == "emulator" and not stack.demo:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((stack.host, port))
            except OSError as error:
                raise ConfigError(f"port {port} ({name}) is taken: {error.strerror}; choose another --port") from error


def _granian(target: str, host: str, port: int, *, threads: int) -> list[str]:
    serve = [sys.executable, "-m", "granian", "--interface", "wsgi", "--factory", "--host", host, "--port", str(port)]
    limits = ["--workers", "1", "--blocking-threads", str(threads), "--backlog", "2048", "--no-access-log"]
    return [*serve, *limits, "--respawn-failed-workers", "--log-level", "warning", target]


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own loopback address
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None
