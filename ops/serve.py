"""granian, with an end that resets no connection: ``python -m ops.serve`` takes granian's own options.

A listener that is closed resets the connections that the kernel has accepted and granian has not. So before its
processes are told to end they refuse new connections (Linux; by a socket filter that drops what asks for one), and have
a moment to take up those that wait. Who asks meanwhile asks again by himself a second later, and is then refused, or
served by another process on the same port.
"""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import granian.cli
from granian._internal import load_target
from granian.server import Server

log = logging.getLogger("_granian")
MOMENT = 0.1  # seconds
ATTACH_FILTER = 26  # SO_ATTACH_FILTER, which Python's socket module does not name
# Classic BPF on the TCP header: load the byte of flags; SYN without ACK is dropped, all else let through.
PROGRAM = ((0x30, 0, 0, 13), (0x54, 0, 0, 0x12), (0x15, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))
NOISE = "Configuration allows spawning up to"  # our threads wait for Postgres; they need no core each


def deafen() -> None:
    """Let the listeners of this process ignore whoever asks for a connection."""
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in PROGRAM))
    program = struct.pack("HP", len(PROGRAM), ctypes.addressof(code))
    for listener in _listeners():
        with listener, suppress(OSError):  # a kernel that has no filters closes the port as any other server does
            listener.setsockopt(socket.SOL_SOCKET, ATTACH_FILTER, program)


def _listeners() -> Iterator[socket.socket]:
    """Copies of them; the caller closes them."""
    for number in map(int, os.listdir("/proc/self/fd")):
        try:
            copy = os.dup(number)
        except OSError:  # closed by now
            continue
        try:
            found = socket.socket(fileno=copy)
        except OSError:  # no socket
            os.close(copy)
            continue
        if found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            yield found
        else:
            found.close()


def load(word: Connection, *arguments: Any, **options: Any) -> Callable[..., Any]:
    """granian's way to load the application, in the worker, before it listens. A byte from ``word`` makes it deaf."""

    def wait() -> None:
        if os.read(word.fileno(), 1):
            deafen()

    threading.Thread(target=wait, name="deafen", daemon=True).start()
    application: Callable[..., Any] = load_target(*arguments, **options)
    return application


class Gentle(Server):  # type: ignore[misc, valid-type]  # it is chosen when granian is imported
    """granian's server; only its end is ours."""

    workers_kill_timeout: int | None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._word, self._say = multiprocessing.Pipe(duplex=False)
        self.main_loop_interrupt = _Interrupt(lambda: self.interrupt_signal or self.reload_signal)

    def signal_handler_interrupt(self, *_: Any, **__: Any) -> None:
        """Only notes it: a handler that takes the event's lock waits for ever when a second signal interrupts it."""
        self.interrupt_signal = True

    def signal_handler_reload(self, *_: Any, **__: Any) -> None:
        self.reload_signal = True

    def serve(self, *_: Any, **__: Any) -> None:
        loader = partial(load, self._word, self.target, wd=self.working_dir, factory=self.factory)
        super().serve(target_loader=loader, wrap_loader=False)

    def _stop_workers(self) -> None:
        if sys.platform == "linux" and Path("/proc/self/fd").exists():
            os.write(self._say.fileno(), b"!" * len(self.wrks))
            time.sleep(MOMENT)
        # granian's own way to kill at this time takes a worker for alive that has just ended, and says so.
        patience, self.workers_kill_timeout = self.workers_kill_timeout, None
        late = threading.Timer(patience or threading.TIMEOUT_MAX, self._kill, [list(self.wrks)])
        late.daemon = True
        late.start()
        super()._stop_workers()
        late.cancel()

    def _kill(self, workers: list[Any]) -> None:
        for worker in workers:
            if worker.is_alive():
                log.warning("Killing a process that has not answered its last requests in time")
                worker.kill()


class _Interrupt(threading.Event):
    """What granian's main loop waits for: the event, or a signal that has been noted."""

    def __init__(self, noted: Callable[[], bool]) -> None:
        super().__init__()
        self._noted = noted

    def wait(self, timeout: float | None = None) -> bool:  # noqa: ARG002 - granian gives none
        while not (self._noted() or super().wait(MOMENT)):
            """Look again."""
        return True


def main() -> None:
    """granian's command line."""
    log.addFilter(lambda record: not record.getMessage().startswith(NOISE))
    granian.cli.Server = Gentle  # type: ignore[attr-defined]  # the only place at which another can be given
    granian.cli.entrypoint()  # type: ignore[no-untyped-call]  # granian's own


if __name__ == "__main__":
    main()
