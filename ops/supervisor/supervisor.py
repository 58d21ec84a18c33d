"""The supervisor: everything in order, then eyes open, then everything back in reverse."""

from __future__ import annotations

import re
import select
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TextIO

from ops.supervisor.home import State, end_leftovers, mark, owned
from ops.supervisor.output import Relay, Terminal
from ops.supervisor.service import Service
from ops.supervisor.watched import Watched

NAME = "up"  # in the terminal and in the log folder
TICK = 0.1  # seconds between two looks; a look is one waitpid per service
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Supervisor:
    """Owns the processes of one home folder.

    ``address`` is told to a second supervisor that is refused; ``quiet`` keeps the services' lines out of the terminal
    (the files in ``<home>/log`` have them anyway); ``colour`` defaults to whether the terminal is one.
    """

    def __init__(
        self,
        home: Path,
        services: Sequence[Service],
        *,
        address: str | None = None,
        quiet: bool = False,
        terminal: TextIO | None = None,
        colour: bool | None = None,
    ) -> None:
        self.home = home.expanduser().resolve()
        self._services = services
        self._address = address
        names = [service.name for service in services]
        stream = terminal if terminal is not None else sys.stdout
        self._terminal = Terminal(None if quiet else stream, [NAME, *names], colour=colour)
        self._table: list[Watched] = []
        self._asked = 0  # how often we were asked to stop
        self._pressed = 0  # how often somebody at the keyboard has asked: twice means at once
        self._blocked = False  # inside a service's own start
        self._status = 0
        self._bell, self._rope = socket.socketpair()
        for end in (self._bell, self._rope):
            end.setblocking(False)

    def run(self, then: Callable[[], int | None] | None = None) -> int:
        """Start all, watch until asked to stop (SIGINT, SIGTERM, SIGHUP, ``stop()``), stop all; returns an exit status.

        ``then`` is called in a thread once everything is ready; if it returns a number, that is the exit status and
        everything stops. Call ``run`` once, from the main thread. Raises AlreadyRunning, SupervisorError, or what a
        service's own ``start`` raises; whatever had been started has been stopped by then.
        """
        with self._bell, self._rope, owned(self.home, self._address) as owner, ExitStack() as stack:
            stack.enter_context(self._signals())
            self._say = stack.enter_context(self._relay(NAME)).say
            state = State(self.home, owner, (service.name for service in self._services), self._say)
            relays = [stack.enter_context(self._relay(one.name, one.noise)) for one in self._services]
            for pid in end_leftovers(self.home, patience=4.0):
                self._say(f"ended process {pid}, left over from a killed start")
            own = mark(self.home)
            self._table = [
                Watched(service, relay, state.services[service.name], own)
                for service, relay in zip(self._services, relays, strict=True)
            ]
            try:
                self._start(state)
                self._watch(state, then)
            finally:
                self._stop(state)
            return self._status

    def stop(self, status: int | None = None) -> None:
        """Ask ``run`` to stop everything and return; from any thread, any number of times."""
        if status is not None:
            self._status = status
        self._asked = max(1, self._asked)
        self._ring()

    # The three acts -----------------------------------------------------------------------------------

    def _start(self, state: State) -> None:
        for watched in self._table:
            if self._asked:
                return
            self._begin(watched)
            state.write()
            while not self._asked and not watched.settled():
                self._wait(0.02)
            state.write()
            if not self._asked:
                self._say(f"{watched.service.name} is {'done' if watched.service.once else 'ready'}")

    def _begin(self, watched: Watched) -> None:
        self._blocked = True
        try:
            watched.begin()
        except OSError as error:
            raise watched.failure(f"could not be started: {error}") from error
        finally:
            self._blocked = False

    def _watch(self, state: State, then: Callable[[], int | None] | None) -> None:
        state.state = "running"
        state.write()
        if then is not None and not self._asked:
            threading.Thread(target=self._follow, args=(then,), name="then", daemon=True).start()
        while not self._asked:
            changed = [watched.look() for watched in self._table]
            if any(changed) or state.stale:
                state.write()
            self._wait(TICK)

    def _follow(self, then: Callable[[], int | None]) -> None:
        status: int | None = 1
        try:
            status = then()
        except Exception:  # noqa: BLE001  a thread's end must not be silent
            self._say(traceback.format_exc())
        if status is not None:
            self.stop(status)

    def _stop(self, state: State) -> None:
        state.state = "stopping"
        with ExitStack() as stack:  # the last one first, and one that resists does not save the others
            for watched in self._table:
                stack.callback(watched.stop, lambda: self._pressed > 1)
            state.write()  # in here, so that whatever happens to it they are stopped
        state.remove()

    # Signals and output -------------------------------------------------------------------------------

    @contextmanager
    def _signals(self) -> Iterator[None]:
        former = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        bell = signal.set_wakeup_fd(self._rope.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(bell)
            for number, handler in former.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002  the signature is given
        self._asked += 1
        self._pressed += number == signal.SIGINT
        if self._blocked and self._pressed > 1:
            raise KeyboardInterrupt

    def _ring(self) -> None:
        try:
            self._rope.send(b"!")
        except OSError:
            return  # it is full, so it has been heard; or closed, so nobody listens any more

    def _wait(self, seconds: float) -> None:
        """Sleep, but wake at a signal or a call of ``stop``."""
        if select.select([self._bell], [], [], seconds)[0]:
            self._bell.recv(4096)

    @contextmanager
    def _relay(self, name: str, noise: re.Pattern[str] | None = None) -> Iterator[Relay]:
        relay = Relay(name, self.home / "log", self._terminal, noise)
        try:
            yield relay
        finally:
            relay.close()
