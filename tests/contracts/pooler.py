"""A real PgBouncer in transaction mode before a real Postgres, for tests of what may not rest on a session."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from ops.embedded import postgres
from ops.embedded.account import unprivileged

PROGRAM = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
USER = "app"


@dataclass(frozen=True)
class Pooled:
    """url: through the pooler. direct: the same database without it, as its owner. admin: as a superuser."""

    url: str
    direct: str
    admin: str


def need_pgbouncer() -> str:
    """Its path. Without it the test is skipped, in CI it fails."""
    if PROGRAM is None:
        assert not os.environ.get("CI"), "CI installs pgbouncer"
        pytest.skip("pgbouncer is not installed (make test-deps)")
    return PROGRAM


@contextmanager
def pooled(home: Path, *settings: str) -> Iterator[Pooled]:
    """A server with an empty database of an ordinary role, and a pooler that gives it three connections.

    settings: more lines of pgbouncer.ini.
    """
    program = need_pgbouncer()
    server = postgres.start(home, tcp=True, die_with_parent=True)
    try:
        parts = urlsplit(server.tcp_dsn or "")
        with psycopg.connect(server.dsn, autocommit=True) as admin:
            admin.execute(f"CREATE ROLE {USER} LOGIN PASSWORD 'app'".encode())
            admin.execute(f"CREATE DATABASE pooled OWNER {USER}".encode())
        direct = f"postgresql://{USER}:app@127.0.0.1:{parts.port}/pooled"
        with _running(program, int(parts.port or 0), settings) as port:
            yield Pooled(f"postgresql://{USER}:app@127.0.0.1:{port}/pooled", direct, server.dsn)
    finally:
        server.stop()


@contextmanager
def _running(program: str, server_port: int, settings: tuple[str, ...]) -> Iterator[int]:
    account = unprivileged(Path("/nonexistent"))  # it does not run as root
    folder = Path(tempfile.mkdtemp(prefix="pgbouncer-"))
    port = _free_port()
    (folder / "users.txt").write_text(f'"{USER}" "app"\n')
    lines = [
        "[databases]",
        f"pooled = host=127.0.0.1 port={server_port}",
        "[pgbouncer]",
        f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =",
        f"auth_type = scram-sha-256\nauth_file = {folder / 'users.txt'}",
        "pool_mode = transaction\ndefault_pool_size = 3",
        *settings,
    ]
    (folder / "pgbouncer.ini").write_text("\n".join(lines) + "\n")
    who = {"user": account.uid, "group": account.gid, "extra_groups": []} if account else {}
    for path in (folder, *folder.iterdir()):
        if account:
            os.chown(path, account.uid, account.gid)
    log = (folder / "log").open("wb")
    process = subprocess.Popen([program, folder / "pgbouncer.ini"], stdout=log, stderr=log, cwd="/", **who)  # type: ignore[call-overload]
    try:
        _wait(process, port, folder / "log")
        yield port
    finally:
        process.terminate()
        process.wait(30)
        log.close()
        shutil.rmtree(folder)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    over = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(f"postgresql://{USER}:app@127.0.0.1:{port}/pooled", connect_timeout=2).close()
            return
        except psycopg.OperationalError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < over, log.read_text()
            time.sleep(0.05)  # between two tries
