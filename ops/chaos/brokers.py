"""The brokers that a trial starts by itself: how each is run, reached, and robbed of its whole content."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Protocol

import amqp

from ops.bench.children import accepts, free_port
from ops.embedded.broker import Place
from ops.supervisor import Service
from orchestrator.broker.application import queues
from orchestrator.errors import ConfigError

# The packaged rabbitmq-server in PATH changes the user, and so leaves the process group.
RABBITMQ = "/usr/lib/rabbitmq/bin/rabbitmq-server"
LOOPBACK = "127.0.0.1"


class Broker(Protocol):
    """A broker in a trial's home. url: for kombu; None when its start tells it. services: to be started first."""

    @property
    def url(self) -> str | None: ...

    @property
    def services(self) -> tuple[Service, ...]: ...

    def empty(self) -> None:
        """Take every queue and message away while it runs. Raises OSError, amqp.AMQPError when it is down."""

    def wipe(self) -> None:
        """Take its data away after its death, so that it begins with nothing."""


class Embedded:
    """The one that comes with the program, started as ``orchestrator up`` does it. It keeps nothing on disk."""

    url = None
    services: tuple[Service, ...] = ()

    def __init__(self, home: Path) -> None:
        self._home = home

    def empty(self) -> None:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5.0)
            client.connect(str(Place.of(self._home).socket))
            _flush(client)

    def wipe(self) -> None:
        """Its death was enough."""


class Redis:
    """A Redis server as it should be run: an append-only file, and sending fails when the memory is full."""

    def __init__(self, home: Path) -> None:
        self._folder, self._port = home / "redis", free_port()
        self._folder.mkdir(mode=0o700)
        self.url = f"redis://{LOOPBACK}:{self._port}/0"
        place = ["--port", str(self._port), "--bind", LOOPBACK, "--dir", str(self._folder), "--loglevel", "warning"]
        safe = ["--save", "", "--appendonly", "yes", "--maxmemory", "256mb", "--maxmemory-policy", "noeviction"]
        self.services = (
            Service("broker", [_program("redis-server"), *place, *safe], ready=lambda: accepts(self._port)),
        )

    def empty(self) -> None:
        with socket.create_connection((LOOPBACK, self._port), timeout=5.0) as client:
            _flush(client)

    def wipe(self) -> None:
        _remove(self._folder)


class RabbitMQ:
    """A RabbitMQ node with a port mapper of its own, so that nothing of it outlives the trial."""

    def __init__(self, home: Path) -> None:
        self._folder, self._port, mapper = home / "rabbitmq", free_port(), free_port()
        (self._folder / "mnesia").mkdir(parents=True, mode=0o700)
        (self._folder / "plugins").write_text("[].", encoding="ascii")
        self.url = f"amqp://guest:guest@{LOOPBACK}:{self._port}//"
        environment = self._environment(mapper)
        self.services = (
            Service(
                "epmd",
                [_program("epmd"), "-port", str(mapper), "-address", LOOPBACK],
                env=environment,
                ready=lambda: accepts(mapper),
            ),
            Service(
                "broker",
                [_program("rabbitmq-server", RABBITMQ)],
                env=environment,
                ready=lambda: accepts(self._port),
                ready_timeout=90.0,
            ),
        )

    def _environment(self, mapper: int) -> Mapping[str, str]:
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._folder),
            "ERL_EPMD_PORT": str(mapper),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "RABBITMQ_NODENAME": f"chaos{self._port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": LOOPBACK,
            "RABBITMQ_NODE_PORT": str(self._port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(self._folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self._folder / "log"),
            "RABBITMQ_PID_FILE": str(self._folder / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._folder / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(self._folder / "rabbitmq"),
            "RABBITMQ_CONF_ENV_FILE": str(self._folder / "no environment"),
        }

    def empty(self) -> None:
        host = f"{LOOPBACK}:{self._port}"
        with closing(amqp.Connection(host, connect_timeout=5.0, read_timeout=5.0, write_timeout=5.0)) as connection:
            connection.connect()
            channel = connection.channel()
            for queue in queues(self.url):
                channel.queue_delete(queue.name)

    def wipe(self) -> None:
        _remove(self._folder / "mnesia")


KINDS: Mapping[str, type[Embedded | Redis | RabbitMQ]] = {"embedded": Embedded, "redis": Redis, "rabbitmq": RabbitMQ}


def _program(name: str, path: str | None = None) -> str:
    found = path if path and os.access(path, os.X_OK) else shutil.which(name)
    if found is None:
        raise ConfigError(f"{name} is not installed")
    return found


def _flush(client: socket.socket) -> None:
    client.sendall(b"FLUSHALL\r\n")
    if not client.recv(64).startswith(b"+OK"):
        raise ConnectionError("the broker did not empty itself")


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)  # what its last thread still writes may be in the way
    folder.mkdir(mode=0o700, exist_ok=True)
