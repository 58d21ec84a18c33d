"""Slow bodies: how many of one sender are waited for, and when a connection is cut."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from orchestrator import bodies
from orchestrator.bodies import HALF, MOST, Bodies
from orchestrator.errors import SlowSender

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells when something moved last")


def test_a_sender_has_some_bodies_at_once_and_room_again_when_one_is_read() -> None:
    reading = Bodies()
    with ExitStack() as held:
        first = held.enter_context(ExitStack())
        for stack in (first, *[held] * (HALF - 1)):
            stack.enter_context(reading.reading("task", at_once=HALF))
        with pytest.raises(SlowSender):
            held.enter_context(reading.reading("task", at_once=HALF))
        held.enter_context(reading.reading("another", at_once=HALF))
        first.close()
        held.enter_context(reading.reading("task", at_once=HALF))


@pytest.mark.parametrize("slow", [MOST, HALF])
def test_of_several_at_once_only_the_slow_ones_count(monkeypatch: pytest.MonkeyPatch, slow: int) -> None:
    reading = Bodies()
    with ExitStack() as held:
        for _ in range(slow):
            held.enter_context(reading.reading("sender", slow=slow))
        held.enter_context(reading.reading("sender", slow=slow))
        monkeypatch.setattr(bodies, "SLOW", -1.0)
        with pytest.raises(SlowSender):
            held.enter_context(reading.reading("sender", slow=slow))


@pytest.fixture
def connected() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A client, and the server's end of its connection."""
    with ExitStack() as held:
        server = held.enter_context(closing(socket.create_server(("127.0.0.1", 0))))
        client = held.enter_context(closing(socket.create_connection(server.getsockname())))
        yield client, held.enter_context(closing(server.accept()[0]))


def cut(reading: Bodies, silence: float = 0.05) -> int:
    """Look until something is cut: a machine's clock of silence is coarse."""
    over = time.monotonic() + 30
    while not (found := reading.cut(silence)):
        assert time.monotonic() < over, "never cut"
    return found


@linux
def test_a_silent_connection_is_cut_and_its_reader_is_free(connected: tuple[socket.socket, socket.socket]) -> None:
    client, accepted = connected
    reading, heard = Bodies(), list[bytes]()

    def read() -> None:
        with reading.reading("task", peer="127.0.0.1", port=accepted.getsockname()[1]):
            heard.extend(iter(lambda: accepted.recv(10), b""))

    thread = threading.Thread(target=read)
    thread.start()
    client.sendall(b"{")
    assert cut(reading) == 1
    thread.join(30)
    assert heard in ([b"{"], [])


@linux
def test_nobody_else_is_cut(connected: tuple[socket.socket, socket.socket]) -> None:
    client, accepted = connected
    port = accepted.getsockname()[1]
    reading = Bodies()
    assert reading.cut(-1.0) == 0, "nobody waits for a body"
    with reading.reading("task", peer="127.0.0.1", port=port):
        assert reading.cut(60.0) == 0, "it is not overdue"
    with reading.reading("task", peer="127.0.0.2", port=port):
        assert reading.cut(-1.0) == 0, "the peer is another one"
    with reading.reading("task", peer="127.0.0.1", port=client.getsockname()[1] + 1):
        assert reading.cut(-1.0) == 0, "it is a connection of our own to another server"
    with reading.reading("task"):
        assert reading.cut(-1.0) == 0, "the server does not say whose it is"
    client.sendall(b"x")
    assert accepted.recv(1) == b"x"


@linux
def test_looking_for_silent_connections_leaves_nothing_open(connected: tuple[socket.socket, socket.socket]) -> None:
    _, accepted = connected
    reading = Bodies()
    with (
        Path(__file__).open() as file,  # what is no socket is looked at too
        reading.reading("task", peer="127.0.0.2", port=accepted.getsockname()[1]),
    ):
        before = len(os.listdir("/dev/fd"))
        reading.cut(-1.0)
        assert not file.closed
        assert len(os.listdir("/dev/fd")) == before


def test_a_connection_that_ends_meanwhile_keeps_no_other_from_being_cut(
    connected: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, accepted = connected
    monkeypatch.setattr(bodies, "_silent", lambda *_: [socket.socket(), accepted.dup()])
    reading = Bodies()
    with reading.reading("task", peer="127.0.0.1", port=1):
        reading.cut(silence=-1.0)
    assert client.recv(1) == b""
