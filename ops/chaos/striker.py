"""Carries out a schedule of faults on the services of one supervisor."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import amqp
import psutil

from ops.chaos.brokers import Broker
from ops.chaos.schedule import Fault
from ops.supervisor import running


@dataclass(frozen=True, slots=True)
class Struck:
    """A fault that was due. ``pid`` is None when the victim was down already, so that nothing happened. ``failed`` is
    why a broker could not be emptied: it was on its way down, or up."""

    fault: Fault
    pid: int | None
    failed: str | None = None

    @property
    def done(self) -> bool:
        return self.pid is not None and self.failed is None

    def facts(self) -> dict[str, Any]:
        return asdict(self.fault) | {"pid": self.pid, "failed": self.failed}


class Striker:
    """A thread that strikes until ``stop``; whatever it has stopped goes on by then."""

    def __init__(self, home: Path, broker: Broker, schedule: Iterator[Fault]) -> None:
        self._home = home
        self._broker = broker
        self._schedule = schedule
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="striker", daemon=True)
        self.struck: list[Struck] = []

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """No fault from now on."""
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        begun = time.monotonic()
        for fault in self._schedule:
            if self._over.wait(begun + fault.at - time.monotonic()):
                return
            process = self._process(fault.victim)
            failed = self._strike(fault, process) if process else None
            self.struck.append(Struck(fault, process.pid if process else None, failed))

    def _strike(self, fault: Fault, process: psutil.Process) -> str | None:
        """Carry the fault out; why it could not be, if so."""
        match fault.kind:
            case "stop":
                self._halt(process, fault.seconds)
            case "empty":
                try:
                    self._broker.empty()
                except (OSError, amqp.AMQPError) as error:
                    return f"{type(error).__name__}: {error}"
            case "kill" | "wipe":
                # A broker's program may be a script that has started another one.
                victims = _family(process) if fault.victim == "broker" else [process]
                for one in victims:
                    _send(one, signal.SIGKILL)
                if fault.kind == "wipe":
                    psutil.wait_procs(victims, timeout=5.0)
                    self._broker.wipe()
        return None

    def _halt(self, process: psutil.Process, seconds: float) -> None:
        """Stop the process and its children for a while: a machine that stalls, stalls whole."""
        family = _family(process)
        for one in family:
            _send(one, signal.SIGSTOP)
        try:
            self._over.wait(seconds)
        finally:
            for one in family:
                _send(one, signal.SIGCONT)

    def _process(self, victim: str) -> psutil.Process | None:
        """The service's main process, if it runs and is the one that the supervisor started."""
        entry = ((running(self._home) or {}).get("services") or {}).get(victim) or {}
        try:
            process = psutil.Process(entry["pid"]) if entry.get("pid") else None
            if process is None or abs(process.create_time() - entry["created"]) > 2.0:
                return None
        except psutil.NoSuchProcess:
            return None
        return process


def _family(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _send(process: psutil.Process, number: signal.Signals) -> None:
    """psutil sends nothing to a process that took over the number of one that ended."""
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
