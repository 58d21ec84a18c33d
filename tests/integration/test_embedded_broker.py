"""The embedded broker with real processes."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from celery import Celery
from kombu import Connection

from ops.embedded import broker, process, socket_folder
from ops.embedded.broker import Broker, EmbeddedError

ROOT = Path(__file__).parents[2]
Start = Callable[..., Broker]


@pytest.fixture
def links(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Stands in for /tmp as the folder of short links."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setattr(socket_folder, "SHORT", Path(folder))
        yield Path(folder)


@pytest.fixture
def start(tmp_path: Path, links: Path) -> Iterator[Start]:
    """Starts the broker of ``tmp_path/home`` and stops whatever runs there at the end."""
    started: list[Broker] = []

    def begin(home: Path = tmp_path / "home", **options: object) -> Broker:
        started.append(broker.start(home, **options))
        return started[-1]

    yield begin
    for server in reversed(started):
        server.stop()


def echo(url: str) -> object:
    with Connection(url) as connection, connection.SimpleQueue("echo") as queue:
        queue.put({"run": "1"})
        message = queue.get(timeout=5)
        message.ack()
        return message.payload


def test_kombu_sends_and_receives_through_the_socket(start: Start) -> None:
    assert echo(start().url) == {"run": "1"}


def test_celery_accepts_the_url(start: Start) -> None:
    app = Celery(broker=start().url)

    app.send_task("anything", ignore_result=True)

    with app.connection_for_read() as connection, connection.SimpleQueue("celery") as queue:
        assert queue.get(timeout=5).headers["task"] == "anything"
    app.close()


def test_many_starters_at_once_share_one_server(tmp_path: Path, start: Start) -> None:
    text = "import sys, pathlib; from ops.embedded import broker\ns = broker.start(pathlib.Path(sys.argv[1]))\n"
    command = [sys.executable, "-c", text + "print(s.pid, s.attached)", str(tmp_path / "home")]
    starters = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)]

    said = [starter.communicate(timeout=60)[0].split() for starter in starters]

    server = start()
    assert [attached for _, attached in said].count("False") == 1, said
    assert {pid for pid, _ in said} == {str(server.pid)}


def test_a_killed_broker_comes_back_at_the_same_address(start: Start) -> None:
    first = start()
    os.kill(first.pid, signal.SIGKILL)

    second = start()

    assert (first.alive(), second.alive(), second.attached) == (False, True, False)
    assert second.url == first.url
    assert echo(second.url) == {"run": "1"}


def test_a_pid_file_that_names_a_stranger_does_not_stop_the_start(tmp_path: Path, start: Start) -> None:
    start().stop()
    (tmp_path / "home/broker/pid").write_text(str(os.getpid()))

    assert not start().attached


def test_a_home_too_long_for_a_socket_works(tmp_path: Path, start: Start, links: Path) -> None:
    server = start(tmp_path / ("long" * 30))

    assert echo(server.url) == {"run": "1"}
    assert str(links) in server.url


def test_a_start_that_fails_shows_the_servers_own_words(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker, "MEMORY", "plenty")

    with pytest.raises(EmbeddedError, match=r"(?s)ended with status 1 .*maxmemory"):
        start()


def test_nothing_runs_on_after_a_stop(start: Start) -> None:
    server = start()

    server.stop()

    assert not process.lives(server.pid, "broker.sock")
