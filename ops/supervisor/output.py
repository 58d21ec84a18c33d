"""What the services say: to the terminal with their names before it, and to one rotating file each."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections import deque
from logging import LogRecord, makeLogRecord
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TextIO

COLOURS = (36, 33, 32, 35, 34, 31)  # cyan, yellow, green, magenta, blue, red
LOG_BYTES, LOG_FILES = 5_000_000, 3
LONGEST_LINE = 65_536
SETTLED = b"\x00settled\x00\n"  # passes through the pipe behind everything written before it


class Terminal:
    """Whole lines of several writers, each with its name; colours only where somebody sees them."""

    def __init__(self, stream: TextIO | None, names: list[str], *, colour: bool | None = None) -> None:
        self._stream = stream
        self._width = max(map(len, names), default=0)
        self._names = names
        self._colour = (stream is not None and stream.isatty()) if colour is None else colour
        self._lock = threading.Lock()

    def line(self, name: str, text: str) -> None:
        prefix = f"{name:<{self._width}} |"
        if self._colour:
            prefix = f"\x1b[{COLOURS[self._names.index(name) % len(COLOURS)]}m{prefix}\x1b[0m"
        with self._lock:
            if self._stream is None:
                return
            try:
                print(prefix, text, file=self._stream, flush=True)
            except (OSError, ValueError):  # the terminal is gone; the files still tell
                self._stream = None


class Relay:
    """One service's pipe: every process of it, one after the other, writes into ``fd``; a thread reads it.

    Ends when the pipe is closed on both sides. ``last`` are the latest lines, for an error message. ``heard``: whether
    what was listened for has been said. Lines that ``noise`` finds go to the file only.
    """

    def __init__(self, name: str, folder: Path, terminal: Terminal, noise: re.Pattern[str] | None = None) -> None:
        self._name = name
        self._terminal = terminal
        self._noise = noise
        self._wanted: str | None = None
        self.heard = True
        self._log = File(folder, name, terminal)
        self.last: deque[str] = deque(maxlen=15)
        self._settled = threading.Event()
        self._reader, self.fd = os.pipe()
        self._thread = threading.Thread(target=self._read, name=f"relay-{name}", daemon=True)
        self._thread.start()

    def listen(self, wanted: str | None) -> None:
        """From now on, wait for a line that contains this; None: for nothing."""
        self._wanted, self.heard = wanted, wanted is None

    def say(self, text: str) -> None:
        """Add a line as if the service had written it."""
        self.last.append(text)
        self._log.handle(makeLogRecord({"msg": text}))
        if not (self._noise and self._noise.search(text)):
            self._terminal.line(self._name, text)
        if self._wanted and self._wanted in text:
            self.heard = True

    def settle(self, timeout: float = 2.0) -> None:
        """Wait until everything written so far has been read."""
        self._settled.clear()
        os.write(self.fd, SETTLED)
        self._settled.wait(timeout)

    def close(self, timeout: float = 2.0) -> None:
        """Read what is left, then let go of the pipe and the file."""
        os.close(self.fd)
        self._thread.join(timeout)

    def _read(self) -> None:
        with os.fdopen(self._reader, "rb") as pipe:
            while raw := pipe.readline(LONGEST_LINE):
                line = raw.removesuffix(SETTLED)
                if line:
                    self.say(plain(line.decode(errors="replace").rstrip("\r\n")))
                if line != raw:
                    self._settled.set()
        self._log.close()


def plain(text: str) -> str:
    """What a service wrote, without what would steer a terminal: it may repeat a stranger's words."""
    return "".join(sign if sign.isprintable() or sign == "\t" else "\N{REPLACEMENT CHARACTER}" for sign in text)


class File(RotatingFileHandler):
    """``<folder>/<name>.log``. What a full disk does not take is lost to it; the terminal is told so once."""

    def __init__(self, folder: Path, name: str, terminal: Terminal) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        super().__init__(folder / f"{name}.log", maxBytes=LOG_BYTES, backupCount=LOG_FILES, encoding="utf-8")
        self._who, self._terminal = name, terminal
        self._failed = self._told = False

    def emit(self, record: LogRecord) -> None:
        self._failed = False
        super().emit(record)
        self._told = self._failed

    def handleError(self, record: LogRecord) -> None:  # noqa: ARG002, N802  logging's own
        self._failed = True
        if not self._told:
            self._terminal.line(self._who, f"log/{self._who}.log cannot be written: {sys.exception()}")

    def close(self) -> None:
        try:
            super().close()
        except OSError as error:  # the last line is still in its buffer
            self._terminal.line(self._who, f"log/{self._who}.log is not complete: {error.strerror}")
