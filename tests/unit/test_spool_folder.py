"""The spool of a folder: order, size, several writers, what is left by the dead."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from orchestrator.errors import SpoolUnavailable
from orchestrator.spool import Delivery, Spool, spool, unpack

PLENTY = 1 << 30


def delivery(body: bytes = b"{}") -> Delivery:
    now = datetime.now(UTC)
    return Delivery(id=uuid4(), account="a", task_id=None, content_type=None, received_at=now, body=body)


def emptied(one: Spool) -> list[bytes]:
    """The bodies of all that can be had, in order; the files are removed."""
    bodies = []
    for segment in one.claim():
        bodies += [found.delivery.body for found in unpack(segment.read(), segment.mark) if found.delivery]
        segment.remove()
    return bodies


def test_nothing_is_made_before_the_first_delivery(tmp_path: Path) -> None:
    one = Spool(tmp_path / "spool", PLENTY)
    assert emptied(one) == []
    assert one.depth() == spool.Depth(0, 0, None, 0)
    one.check()
    assert not (tmp_path / "spool").exists()


def test_order_is_kept_over_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "SEGMENT", 1000)
    one = Spool(tmp_path / "spool", PLENTY)
    bodies = [b"%d" % n for n in range(50)]
    for body in bodies:
        one.append(delivery(body))
    assert len(list(one.folder.iterdir())) > 5
    assert one.depth().deliveries == 50
    assert emptied(one) == bodies
    assert not list(one.folder.iterdir())


def test_only_we_can_read_it(tmp_path: Path) -> None:
    one = Spool(tmp_path / "spool", PLENTY)
    one.append(delivery())
    assert one.folder.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in one.folder.iterdir())


def test_it_is_full_at_its_size_and_has_room_again_when_it_is_drained(tmp_path: Path) -> None:
    one = Spool(tmp_path / "spool", 2000)
    with pytest.raises(SpoolUnavailable, match="full"):
        list(map(one.append, [delivery(b"x" * 200)] * 20))
    depth = one.depth()
    assert depth.bytes <= 2000
    assert len(emptied(one)) == depth.deliveries > 2
    one.append(delivery(b"x" * 200))


def test_every_answered_delivery_of_many_threads_is_there_and_they_share_their_syncs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "SEGMENT", 20_000)
    syncs = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (syncs.append(1), fsync(descriptor)))
    one, answered, drained = Spool(tmp_path / "spool", PLENTY), [], []

    def send(name: int) -> None:
        for n in range(60):
            body = b"%d-%d" % (name, n)
            one.append(delivery(body))
            answered.append(body)

    threads = [threading.Thread(target=send, args=[name]) for name in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        drained += emptied(one)  # as they write
    for thread in threads:
        thread.join()
    drained += emptied(one)

    assert sorted(drained) == sorted(answered)
    assert len(answered) == 480
    assert [body for body in drained if body.startswith(b"3-")] == [b"3-%d" % n for n in range(60)]


def test_a_living_process_keeps_its_file_and_a_dead_ones_is_drained(tmp_path: Path) -> None:
    script = (
        "import sys, os; sys.path.insert(0, sys.argv[2]); from test_spool_folder import *;"
        "Spool(Path(sys.argv[1]), PLENTY).append(delivery(b'left behind')); print('there', flush=True);"
        "sys.stdin.read()"
    )
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", script, str(tmp_path / "spool"), here]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout
        assert writer.stdout.readline() == b"there\n"
        one = Spool(tmp_path / "spool", PLENTY)
        assert emptied(one) == []
        assert one.depth().deliveries == 1
        writer.kill()
        writer.wait()
    one.append(delivery(b"later"))
    assert emptied(one) == [b"left behind", b"later"]


def test_a_disk_that_is_full_is_told_and_leaves_no_half_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Spool(tmp_path / "spool", PLENTY)
    one.append(delivery(b"first"))
    write = os.write

    def half(descriptor: int, data: bytes) -> int:
        if len(data) < 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, bytes(data[: len(data) // 2]))

    with monkeypatch.context() as full:
        full.setattr(os, "write", half)
        with pytest.raises(SpoolUnavailable, match="No space left"):
            one.append(delivery(b"second"))
    one.append(delivery(b"third"))
    assert emptied(one) == [b"first", b"third"]


def test_what_a_disk_failed_to_sync_is_not_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Spool(tmp_path / "spool", PLENTY)
    one.append(delivery(b"first"))
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", lambda descriptor: os.fstat(-1))
        with pytest.raises(SpoolUnavailable):
            one.append(delivery(b"second"))
    one.append(delivery(b"third"))  # in another file
    assert [body for body in emptied(one) if body != b"second"] == [b"first", b"third"]


def test_what_is_set_aside_counts_and_comes_back_when_asked_for(tmp_path: Path) -> None:
    one = Spool(tmp_path / "spool", PLENTY)
    one.append(delivery(b"good"))
    one.set_aside(delivery(b"bad"))
    assert (one.depth().deliveries, one.depth().aside) == (1, 1)
    assert emptied(one) == [b"good"]
    assert one.try_again() == 1
    assert emptied(one) == [b"bad"]


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    one = Spool(tmp_path / "spool", PLENTY)
    one.append(delivery())
    (one.folder / "notes.spool").write_text("mine")
    emptied(one)
    assert [path.name for path in one.folder.iterdir()] == ["notes.spool"]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolUnavailable):
        Spool(tmp_path / "file" / "spool", PLENTY).append(delivery())


@pytest.fixture
def sick(monkeypatch: pytest.MonkeyPatch) -> Callable[[], AbstractContextManager[None]]:
    """A disk that writes nothing for good, for the length of a block."""

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    @contextmanager
    def ill() -> Iterator[None]:
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", fail)
            yield

    return ill


def test_what_was_answered_is_drained_although_a_later_delivery_could_not_be_written(
    tmp_path: Path, sick: Callable[[], AbstractContextManager[None]]
) -> None:
    one = Spool(tmp_path / "spool", PLENTY)
    one.append(delivery(b"answered"))
    with sick(), pytest.raises(SpoolUnavailable):
        one.append(delivery(b"refused"))

    with pytest.raises(OSError, match="Input/output error"):
        emptied(one)

    assert emptied(one)[0] == b"answered"
    assert not one.waits()


def test_a_file_that_could_not_be_begun_is_not_held(
    tmp_path: Path, sick: Callable[[], AbstractContextManager[None]]
) -> None:
    one = Spool(tmp_path / "spool", PLENTY)
    one.folder.mkdir()
    for _ in range(3):
        with sick(), pytest.raises(SpoolUnavailable):
            one.append(delivery(b"refused"))

    assert emptied(one) == []
    assert not one.waits()
