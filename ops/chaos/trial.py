"""One trial: runs are opened while processes are killed; then peace, and the checker."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from ops.chaos.checker import Check, Evidence, check
from ops.chaos.emulator import Emulator
from ops.chaos.orders import JOBS, Orders
from ops.chaos.report import Report
from ops.chaos.schedule import faults
from ops.chaos.striker import Striker
from ops.chaos.system import ACCOUNTS, Servers, build
from ops.supervisor import Supervisor

AT_ONCE = 160  # runs that are under way at the same time
PEACE = 360.0  # seconds without faults in which every run has to end; a killed worker's local act is retaken after 300
LOOK = 0.25


class Failed(RuntimeError):
    """The trial itself could not be carried out; the message says why."""


@dataclass
class Trial:
    """runs: to be opened. kill_every: seconds between faults, on average. minutes: how long runs are opened and
    processes killed at most; PEACE follows."""

    home: Path
    runs: int
    seed: int
    minutes: float
    kill_every: float
    servers: Servers = field(default_factory=Servers)
    say: Callable[[str], None] = lambda _: None

    def carry_out(self) -> Report:
        """Start everything, do it, stop everything. Raises Failed, ConfigError, SupervisorError."""
        system = build(self.home, self.seed, self.servers)
        self._stack, self._broker = system.stack, system.broker
        self._report: Report | None = None
        supervisor = Supervisor(self.home, system.services, address=self._stack.url, quiet=True)
        status = supervisor.run(then=self._try)
        if self._report is None:
            log = self.home / "log" / "up.log"
            raise Failed(f"it ended with status {status}; the supervisor's last words: {log.read_text()[-2000:]}")
        return self._report

    def _try(self) -> int:
        begun = time.monotonic()
        self._end = begun + self.minutes * 60
        self._dsn = self.servers.database_url or self._stack.found["DATABASE_URL"]
        emulator = Emulator(f"http://127.0.0.1:{self._stack.emulator_port}")
        orders = Orders(self._stack.url, self._stack.own_token or "", ACCOUNTS, self._over)
        orders.define()
        with self._evil() as striker, closing(emulator):
            emulator.follow()
            opened = self._open(orders)
            self._wait(lambda: self._under_way(opened) == 0, self._end)
            struck_for = time.monotonic() - begun
            striker.stop()
            self.say(f"peace after {struck_for:.0f} s; {self._under_way(opened)} of {len(opened)} runs are under way")
            self._wait(lambda: self._under_way(opened) == 0 and emulator.quiet(), time.monotonic() + PEACE)
            checks = self._checked(opened, emulator)
            self._report = Report(
                seed=self.seed,
                broker="given" if self.servers.broker_url else self.servers.broker,
                wanted=self.runs,
                opened=len(opened),
                kill_every=self.kill_every,
                struck_for=struck_for,
                lasted=time.monotonic() - begun,
                repeated=orders.repeated,
                struck=tuple(striker.struck),
                provider=emulator.stats(),
                checks=tuple(checks),
            )
        return 0

    @contextmanager
    def _evil(self) -> Iterator[Striker]:
        striker = Striker(self.home, self._broker, faults(self.seed, self.kill_every, self.servers.victims))
        striker.start()
        try:
            yield striker
        finally:
            striker.stop()

    def _open(self, orders: Orders) -> list[str]:
        """Open the runs, AT_ONCE of them under way; fewer than wanted when the time is over."""
        opened: list[str] = []
        said = time.monotonic()
        with suppress(TimeoutError):
            while len(opened) < self.runs and not self._over():
                for _ in range(min(self.runs - len(opened), AT_ONCE - self._under_way(opened))):
                    opened.append(orders.open(len(opened) + 1))
                time.sleep(LOOK)
                if time.monotonic() - said > 15:
                    said = time.monotonic()
                    self.say(f"{len(opened)} of {self.runs} runs opened, {self._under_way(opened)} under way")
        return opened

    def _over(self) -> bool:
        return time.monotonic() >= self._end

    def _under_way(self, opened: list[str]) -> int:
        """How many promised runs have not ended, as far as the database can be asked; else as many as were promised."""
        try:
            with psycopg.connect(self._dsn, connect_timeout=3, options="-c statement_timeout=5000") as connection:
                found = connection.execute("SELECT count(*) FROM runs WHERE finished_at IS NOT NULL").fetchone()
        except psycopg.Error:
            return len(opened)
        return len(opened) - (found[0] if found else 0)

    def _wait(self, done: Callable[[], bool], until: float) -> None:
        while time.monotonic() < until and not done():
            time.sleep(LOOK)

    def _checked(self, opened: list[str], emulator: Emulator) -> list[Check]:
        """The answers; what is still on its way (a spool that drains) is given a little time."""
        until = time.monotonic() + 20
        while True:
            evidence = Evidence(opened, emulator.jobs(), emulator.callbacks(), JOBS)
            checks = check(self._dsn, evidence)
            if not any(one.wrong for one in checks) or time.monotonic() > until:
                return checks
            time.sleep(1)  # between two looks
