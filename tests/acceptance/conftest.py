"""Whole systems of real processes: an emulator, and ``orchestrator up`` on a home of its own."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
import urllib3

T = TypeVar("T")
PATIENCE = 90.0
HTTP = urllib3.PoolManager(retries=False, timeout=10.0)


def eventually(look: Callable[[], T], *, within: float = PATIENCE, what: str = "") -> T:
    """The first true answer of ``look``; fails when there is none in time."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.1)  # between two looks at the observable
    pytest.fail(f"waited {within} s in vain for {what or look}")


def free_port_block() -> int:
    """A port that is free together with the two after it, below those that outgoing connections get by themselves."""
    for _ in range(200):
        port = random.SystemRandom().randrange(20_000, 32_000)
        with ExitStack() as held:
            try:
                for offset in (0, 1, 2):
                    held.enter_context(socket.socket()).bind(("127.0.0.1", port + offset))
            except OSError:
                continue
            return port
    pytest.fail("no three free ports in a row")


@dataclass
class Program:
    """One process of ours, ended by its own pid at the end."""

    process: subprocess.Popen[str]

    def end(self, patience: float = 45.0) -> int:
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


@dataclass
class World:
    """An emulator and an orchestrator that knows it as its account acedata."""

    home: Path
    emulator: str
    port: int
    environment: dict[str, str]
    stack: ExitStack
    program: Program | None = None
    runs: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def up(self) -> None:
        """Start everything, and wait until it is ready."""
        command = [sys.executable, "-m", "ops.cli.main", "up", "--port", str(self.port), "--quiet"]
        log = self.stack.enter_context((self.home / "up.txt").open("a"))
        self.program = Program(subprocess.Popen(command, env=self.environment, stdout=log, stderr=log, text=True))
        eventually(self.ready, what="the service to be ready")

    def down(self) -> int:
        program, self.program = self.program, None
        return program.end() if program else 0

    def ready(self) -> bool:
        assert self.program is not None
        if self.program.process.poll() is not None:
            pytest.fail(f"up ended: {(self.home / 'up.txt').read_text()[-3000:]}")
        try:
            parts = HTTP.request("GET", f"{self.url}/readyz").json()["parts"]
            wanted = ("database", "migrations", "broker", "spool")
            return all(parts[name] == "ok" for name in wanted) and "dashboard" in self.pids()
        except urllib3.exceptions.HTTPError:
            return False

    def pids(self) -> dict[str, int]:
        """Which processes the supervisor has running."""
        path = self.home / "state.json"
        services = json.loads(path.read_text())["services"] if path.exists() else {}
        return {name: one["pid"] for name, one in services.items() if one.get("pid")}

    def kill(self, name: str) -> None:
        """kill -9 of one service; returns when the supervisor has put another in its place."""
        former = self.pids()[name]
        os.kill(former, signal.SIGKILL)
        eventually(lambda: self.pids().get(name) not in (None, former), what=f"another {name}")

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The API's answer; while it is away, ask again."""
        token = (self.home / "api-token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        data = json.dumps(body) if body is not None else None

        def answer() -> tuple[Any] | None:
            try:
                response = HTTP.request(method, f"{self.url}{path}", headers=headers, body=data)
            except urllib3.exceptions.HTTPError:
                return None
            if response.status >= 500:
                return None
            assert response.status < 300, response.data
            return (response.json(),)

        return eventually(answer, what=f"{method} {path}")[0]

    def launch(self, count: int) -> None:
        for _ in range(count):
            self.open("hero-image", {"prompt": f"picture {len(self.runs)}"})

    def open(self, pipeline: str, inputs: dict[str, Any], account: str = "acedata") -> None:
        order = {"pipeline": pipeline, "inputs": inputs, "account": [account]}
        self.runs.append(self.ask("POST", "/v1/runs", order)["id"])

    def finished(self) -> list[dict[str, Any]]:
        """Every run launched, once all are over."""

        def over() -> list[dict[str, Any]] | None:
            running = self.ask("GET", "/v1/runs?state=running&limit=1")["items"]
            return None if running else [self.ask("GET", f"/v1/runs/{run}") for run in self.runs]

        return eventually(over, within=150, what="all runs to be over")

    def provider(self, path: str) -> Any:
        """What the emulator says of itself."""
        return HTTP.request("GET", f"{self.emulator}/_emulator/{path}").json()


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """``make_world("--chaos", "drop=0.1")`` starts both; everything is stopped at the end of the test."""
    with ExitStack() as stack:

        def make(*options: str, others: str = "", home: Path | None = None, **extra: str) -> World:
            folder = home or tmp_path / "home"
            folder.mkdir(mode=0o700)
            port = free_port_block()
            command = [sys.executable, "-m", "ops.emulator", "--port", str(port + 2), "--seed", "11", "--small"]
            emulator = Program(subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, text=True))
            stack.callback(emulator.end)
            accounts = folder / "accounts.yaml"
            accounts.write_text(
                f"accounts:\n- name: acedata\n  provider: acedata\n  base_url: http://127.0.0.1:{port + 2}\n"
                f"  token: a-token-of-the-tests\n  slots: 5\n  quiet: 4\n  poll: 1\n"
                + others.format(emulator=f"http://127.0.0.1:{port + 2}")
            )
            world = World(folder, f"http://127.0.0.1:{port + 2}", port, _environment(folder, accounts) | extra, stack)
            stack.callback(world.down)
            world.up()
            return world

        yield make


def _environment(home: Path, accounts: Path) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH") if name in os.environ}
    return inherited | {
        "ORCHESTRATOR_HOME": str(home),
        "ORCHESTRATOR_ACCOUNTS": str(accounts),
        "ORCHESTRATOR_ALLOW_HOSTS": "127.0.0.1",
        "ORCHESTRATOR_SETTLE": "4",
        "ORCHESTRATOR_SUBMIT_TIMEOUT": "2",
        "ORCHESTRATOR_SWEEP_EVERY": "0.5",
    }
