"""One home folder's Postgres: its files, and the steps from nothing to a running server (each taken under the lock)."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote

import psutil

from ops.embedded.account import unprivileged
from ops.embedded.binaries import for_account
from ops.embedded.failure import EmbeddedError
from ops.embedded.process import end, lives
from ops.embedded.programs import Programs
from ops.embedded.socket_folder import home_mark, short_path

USER = DATABASE = "orchestrator"
PORT = 5432  # part of the socket's name; nothing listens there unless TCP is asked for

# A small server for one machine. Durability is not among the things saved: fsync and synchronous_commit stay on.
SETTINGS = {
    "shared_buffers": "32MB",
    "max_connections": "100",
    "max_wal_size": "256MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "jit": "off",
    "fsync": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "unix_socket_permissions": "0700",
}


@dataclass(frozen=True, slots=True)
class Status:
    """What Postgres itself says in its postmaster.pid."""

    pid: int
    port: int
    listens: bool
    ready: bool


@dataclass(frozen=True, slots=True)
class Cluster:
    """One home folder's Postgres."""

    home: Path
    programs: Programs
    name: str  # cluster_name: the main process has it in its arguments, the others in their titles

    @classmethod
    def of(cls, home: Path, binaries: Path) -> Cluster:
        home = home.expanduser().absolute()
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        (home / "postgres").mkdir(mode=0o700, exist_ok=True)
        account = unprivileged(home / "postgres" / "data")
        return cls(home.resolve(), Programs(for_account(binaries, account), account), home_mark(home))

    @property
    def mark(self) -> str:
        """What the main process has in its command line and no other process has."""
        return f"cluster_name={self.name}"

    @property
    def data(self) -> Path:
        return self.home / "postgres" / "data"

    @property
    def run(self) -> Path:
        return self.home / "postgres" / "run"

    @property
    def lock(self) -> Path:
        return self.home / "postgres" / "lock"

    @property
    def log(self) -> Path:
        return self.home / "log" / "postgres.log"

    # What is there ------------------------------------------------------------------------------------

    def status(self) -> Status | None:
        """What the running server says of itself; None when none runs."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return None
        if not lines or not lines[0].isdigit() or not lives(int(lines[0]), self.mark):
            return None
        lines += [""] * (8 - len(lines))
        port = int(lines[3]) if lines[3] else PORT
        return Status(int(lines[0]), port, listens=bool(lines[5]), ready=lines[7].strip() == "ready")

    def ready(self, child: subprocess.Popen[bytes] | None = None) -> bool:
        """Whether connections are accepted. Raises EmbeddedError when ``child`` has ended."""
        if child is not None and child.poll() is not None:
            raise EmbeddedError(f"Postgres ended with status {child.returncode} while starting")
        status = self.status()
        return status is not None and status.ready

    def dsn(self, port: int) -> str:
        """The libpq URL over the unix socket."""
        query = f"?host={quote(str(short_path(self.run)), safe='')}" + (f"&port={port}" if port != PORT else "")
        return f"postgresql://{USER}@/{DATABASE}{query}"

    def tcp_dsn(self, port: int) -> str:
        """The libpq URL over loopback; it holds the password."""
        return f"postgresql://{USER}:{self._password()}@127.0.0.1:{port}/{DATABASE}"

    # From nothing to a server, each step under the lock -----------------------------------------------

    def tidy(self) -> None:
        """End what outlived a killed postmaster and remove its pid file and socket: they would stop the next start."""
        for process in psutil.process_iter(["cmdline"]):
            title = (process.info["cmdline"] or [""])[0]
            if title.startswith(f"postgres: {self.name}:"):
                end(process.pid, title, (signal.SIGKILL,), 10.0, None)
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        self.programs.make(self.run)
        for leftover in self.run.glob(".s.PGSQL.*"):
            leftover.unlink()

    def create_data(self) -> None:
        """Make the data folder if there is none; else check that this Postgres can read it."""
        major = self.programs.major
        if self.data.exists():
            written = (self.data / "PG_VERSION").read_text().strip()
            if written != str(major):
                raise EmbeddedError(
                    f"{self.data} was written by Postgres {written}, but {self.programs.binaries} holds Postgres"
                    f" {major}: install version {written} again, or dump and restore, or move the folder away to begin"
                    " anew"
                )
            return
        for abandoned in self.data.parent.glob("new.*"):
            shutil.rmtree(abandoned, ignore_errors=True)  # the killed starter's initdb may still be writing there
        staging = self.data.with_name("new." + secrets.token_hex(4))  # renamed when whole
        self.programs.make(staging)
        self.programs.run(staging, "initdb", *_initdb_options(major))
        self.programs.ask(staging, f"CREATE DATABASE {DATABASE}")
        staging.rename(self.data)
        # initdb did not wait for the disk (seconds on a busy one); let the kernel write in the background.
        threading.Thread(target=os.sync, name="sync-new-cluster", daemon=True).start()

    def open_tcp(self) -> int:
        """Set a password (the unix socket needs none) and choose the port, the former one if it is still free."""
        password = self.home / "postgres" / "password"
        if not password.exists():
            _write_private(password, secrets.token_urlsafe(24))
        self.programs.ask(self.data, f"ALTER ROLE {USER} PASSWORD '{self._password()}'")
        remembered = self.home / "postgres" / "port"
        port = _free_port(int(remembered.read_text()) if remembered.exists() else 0)
        _write_private(remembered, str(port))
        return port

    def serve(self, port: int, *, tcp: bool, output: int | IO[bytes], die_with_parent: bool) -> subprocess.Popen[bytes]:
        """Start the server's main process."""
        settings = SETTINGS | {
            "cluster_name": self.name,
            "port": str(port),
            "listen_addresses": "127.0.0.1" if tcp else "",
        }
        if sys.platform == "linux":  # else a restart after a crash opens every file of the cluster
            settings["recovery_init_sync_method"] = "syncfs"
        if self.programs.major >= 18:
            settings["io_method"] = "sync"  # saves three I/O processes that a small server has no work for
        return self.programs.serve(self.data, self.run, settings, output=output, die_with_parent=die_with_parent)

    def _password(self) -> str:
        return (self.home / "postgres" / "password").read_text()


def _initdb_options(major: int) -> list[str]:
    """Locale and encoding are fixed: the same order and the same case rules on every machine."""
    options = ["--username", USER, "--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions"]
    if major >= 17:  # knows upper and lower case beyond ASCII without the system's help
        options += ["--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"]
    return [*options, "--auth-local", "trust", "--auth-host", "scram-sha-256"]


def _free_port(wanted: int) -> int:
    for port in (wanted, 0):
        with closing(socket.socket()) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue  # somebody took it meanwhile
            return int(probe.getsockname()[1])
    raise EmbeddedError("no free TCP port on the loopback address")


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
