"""Real brokers for tests, each started here and ended by its own pid."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import pytest
from kombu import Connection
from kombu.exceptions import OperationalError

from ops.embedded import broker as embedded
from orchestrator.broker.application import queues

PATIENCE = 60.0  # seconds for a server to start or to end
RABBITMQ = "/usr/lib/rabbitmq/bin/rabbitmq-server"  # the packaged one in PATH changes the user


class Server(Protocol):
    """url: for kombu. start() may be called again after stop(), and gives the same url."""

    url: str

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def empty(self) -> None:
        """Take its whole content away while it runs."""


def free_port() -> int:
    """Below those that outgoing connections get by themselves: it has to be free still when the server comes again."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def program(name: str, path: str | None = None) -> str:
    """Where the program is; without it the test is skipped on a laptop and fails in CI."""
    found = path if path and os.access(path, os.X_OK) else shutil.which(name)
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{name} is not installed")
    return found


class Process:
    """A child with a log, in a session of its own."""

    def __init__(self, command: list[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.log = log
        with log.open("ab") as output:
            self.child = subprocess.Popen(
                command,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=dict(os.environ) | dict(environment or {}),
                start_new_session=True,
            )

    def end(self) -> None:
        self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(PATIENCE)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(self.child.pid, signal.SIGKILL)  # its session has its pid as its name
            self.child.wait(PATIENCE)

    def told(self) -> str:
        return self.log.read_text(errors="replace")


def flush(url: str) -> None:
    with Connection(url) as connection:
        connection.default_channel.client.flushall()


def answers(url: str, process: Process) -> None:
    """Wait until a client can connect."""
    over = time.monotonic() + PATIENCE
    while True:
        assert process.child.poll() is None, process.told()
        try:
            with Connection(url, connect_timeout=2) as connection:
                connection.ensure_connection(max_retries=1, interval_start=0, timeout=2)
            return
        except OperationalError:
            assert time.monotonic() < over, process.told()
            time.sleep(0.05)  # between two looks


class Valkey:
    """The one that comes with the program."""

    def __init__(self, folder: Path) -> None:
        self._home = folder / "home"
        self.start()

    def start(self) -> None:
        self._server = embedded.start(self._home, die_with_parent=True)
        self.url = self._server.url

    def stop(self) -> None:
        self._server.stop()

    def empty(self) -> None:
        flush(self.url)


class Redis:
    def __init__(self, folder: Path) -> None:
        self._folder, port = folder, free_port()
        self._command = [program("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
        self.url = f"redis://127.0.0.1:{port}/0"
        self.start()

    def start(self) -> None:
        self._process = Process([*self._command, "--dir", str(self._folder)], self._folder / "redis.log")
        answers(self.url, self._process)

    def stop(self) -> None:
        self._process.end()

    def empty(self) -> None:
        flush(self.url)


class RabbitMQ:
    """With a port mapper of its own, so that nothing of it outlives the test."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._program = folder, program("rabbitmq-server", RABBITMQ)
        port, mapper = free_port(), free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{port}//"
        self._environment = {
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(mapper),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"test{port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "no environment"),
        }
        (folder / "plugins").write_text("[].")
        self._mapper = Process([program("epmd"), "-port", str(mapper), "-address", "127.0.0.1"], folder / "epmd.log")
        self.start()

    def start(self) -> None:
        self._process = Process([self._program], self._folder / "rabbitmq.log", self._environment)
        answers(self.url, self._process)

    def stop(self) -> None:
        self._process.end()

    def empty(self) -> None:
        with Connection(self.url) as connection:
            for queue in queues(self.url):
                connection.default_channel.queue_delete(queue.name)

    def end(self) -> None:
        self._mapper.end()


@contextmanager
def running(kind: type[Valkey | Redis | RabbitMQ], folder: Path) -> Iterator[Server]:
    """A server of that kind, whose data is in the folder."""
    server = kind(folder)
    try:
        yield server
    finally:
        server.stop()
        if isinstance(server, RabbitMQ):
            server.end()
