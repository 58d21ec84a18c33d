"""Runs an emulator: in this process for tests (start), or as a program of its own (serve)."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import click
from granian import Granian
from granian.constants import Interfaces
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from ops.emulator.application import application
from ops.emulator.engine import Engine
from ops.emulator.options import Options

_THREADS = 64  # a long synchronous answer keeps one of them
_WATCH = 1.0  # seconds between looks at the parent process
_KNOCK = 0.02  # seconds between tries to reach the socket that is about to listen


class Emulator:
    """A running emulator: `url`, `state` (its engine), `stop()`. Usable in a with statement."""

    def __init__(self, options: Options, host: str = "127.0.0.1", port: int = 0) -> None:
        self.state = Engine(options)
        self._server = _Server(host, port, application(self.state), _Quiet)
        self.url = f"http://{host}:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the server and every thread of it."""
        self._server.shutdown()
        self.state.stop()
        self._thread.join()  # which waits for the requests under way

    def __enter__(self) -> Emulator:
        return self

    def __exit__(self, *reason: object) -> None:
        self.stop()


class _Server(ThreadedWSGIServer):
    daemon_threads = False  # server_close() waits for them
    block_on_close = True


class _Quiet(WSGIRequestHandler):
    timeout = 5  # seconds an idle connection may delay stop()

    def connection_dropped(self, error: BaseException, environ: dict[str, Any] | None = None) -> None:
        """An answer cut off on purpose: the client must notice at once."""
        del error, environ
        self.close_connection = True

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's own name
        """Say nothing: the control API has the record."""


def start(options: Options | None = None, *, host: str = "127.0.0.1", port: int = 0) -> Emulator:
    """An emulator in this process, on a free port unless told otherwise."""
    return Emulator(options or Options(), host, port)


def serve(host: str, port: int, options: Options) -> None:
    """Run until SIGINT or SIGTERM, in one worker process, and print one line with the address when ready.

    OSError when the address can't be had."""
    port = _bindable(host, port)
    server = Granian(
        "emulator",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        blocking_threads=_THREADS,
        websockets=False,
        log_enabled=False,
        workers_kill_timeout=2,
    )
    server.serve(target_loader=partial(_load, options, (host, port), os.getpid()), wrap_loader=False)


def _load(options: Options, address: tuple[str, int], parent: int) -> Callable[..., Any]:
    """The WSGI callable, made inside the worker process, shortly before that listens."""
    app = application(Engine(options))
    threading.Thread(target=_watch_parent, args=(parent,), daemon=True).start()
    threading.Thread(target=_announce, args=(address, options.seed), daemon=True).start()
    return app


def _announce(address: tuple[str, int], seed: int) -> None:
    """Print the line that says ready as soon as a connection is taken."""
    while True:
        try:
            socket.create_connection(address, _WATCH).close()
        except OSError:
            time.sleep(_KNOCK)
        else:
            break
    click.echo(f"emulator listening on http://{address[0]}:{address[1]} seed={seed}")


def _watch_parent(parent: int) -> None:
    """End this process when the one that started it has died without a word."""
    while os.getppid() == parent:
        time.sleep(_WATCH)
    os._exit(1)


def _bindable(host: str, port: int) -> int:
    """The port, or a free one for 0; OSError when it is taken, which granian would tell as a crash."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        free: int = probe.getsockname()[1]
        return free
