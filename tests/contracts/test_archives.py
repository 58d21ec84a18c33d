"""What every archive does, whatever it stores in: memory, a folder, an S3-like server."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from orchestrator.archive.keys import record_key
from orchestrator.archive.storage import Archive, open_archive
from orchestrator.errors import ArchiveFailed, NotFound

DATA = b"\x89PNG pretending" * 1000
SHA = hashlib.sha256(DATA).hexdigest()
KEY = f"images/{SHA[:2]}/{SHA[2:4]}/{SHA}.png"


@dataclass(frozen=True)
class Facts:
    format: str = "png"
    content_type: str = "image/png"
    width: int = 64
    height: int = 32


def sidecar(**more: Any) -> dict[str, Any]:
    return {"task_id": str(uuid4()), "created_at": "2026-11-21T10:00:00Z", "prompt": "狐 --ar 2:1", **more}


def record_of(about: dict[str, Any], part: str = "") -> str:
    return f"records/2026/11/{about['task_id']}{part}.json"


class Bucket(BaseHTTPRequestHandler):
    """Just enough of S3: PUT, GET and HEAD of objects by path, and their removal."""

    protocol_version = "HTTP/1.1"
    server: BucketServer

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.objects[self.path] = body[:10] if self.server.lossy else body
        self.server.types[self.path] = self.headers["Content-Type"]
        self.answer(403 if self.server.read_only else 200)

    def do_GET(self) -> None:
        self.answer(200 if self.path in self.server.objects else 404, self.server.objects.get(self.path, b""))

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        """Several at once, as the library deletes even one."""
        keys = re.findall(rb"<Key>(.*?)</Key>", self.rfile.read(int(self.headers["Content-Length"])))
        for key in keys:
            self.server.objects.pop(f"{self.path.partition('?')[0]}/{key.decode()}", None)
        told = b"".join(b"<Deleted><Key>%s</Key></Deleted>" % key for key in keys)
        self.answer(200, b'<?xml version="1.0"?><DeleteResult>%s</DeleteResult>' % told)

    def answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("ETag", f'"{hashlib.md5(body).hexdigest()}"')
        self.send_header("Last-Modified", "Sat, 21 Nov 2026 10:00:00 GMT")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


class BucketServer(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Bucket)
        self.objects: dict[str, bytes] = {}
        self.types: dict[str, str] = {}
        self.lossy = self.read_only = False
        self.daemon_threads = True  # the client keeps its connections


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[BucketServer]:
    served = BucketServer()
    thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    settings = {"ENDPOINT_URL": f"http://127.0.0.1:{served.server_address[1]}", "ALLOW_HTTP": "true", "REGION": "x"}
    for name, value in (settings | {"ACCESS_KEY_ID": "key", "SECRET_ACCESS_KEY": "s3cr3t"}).items():
        monkeypatch.setenv(f"AWS_{name}", value)
    yield served
    served.shutdown()
    served.server_close()
    thread.join()


@pytest.fixture(params=["memory", "file", "s3"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Archive:
    if request.param == "s3":
        request.getfixturevalue("bucket")
    urls = {"memory": f"memory://{uuid4()}", "file": f"{tmp_path.as_uri()}/not%20yet/there", "s3": "s3://bucket/a/b"}
    return open_archive(urls[request.param])


# Every archive --------------------------------------------------------------------------------------


def test_an_image_is_stored_with_its_record(archive: Archive) -> None:
    about = sidecar(scores={"sharp": 0.123})

    stored = archive.put_image(DATA, Facts(), sidecar=about)

    assert (stored.sha256, stored.bytes, stored.width, stored.height) == (SHA, len(DATA), 64, 32)
    assert (stored.key, stored.uri, stored.content_type) == (KEY, f"{archive.uri}/{KEY}", "image/png")
    assert archive.get(KEY) == DATA
    record = json.loads(archive.get(record_of(about)))
    assert record["object"] == {"uri": stored.uri, "key": KEY, "sha256": SHA, "bytes": len(DATA)} | {
        "width": 64, "height": 32, "content_type": "image/png"
    }  # fmt: skip
    assert {name: record[name] for name in about} == about


def test_the_same_again_gives_the_same(archive: Archive) -> None:
    about = sidecar()
    assert archive.put_image(DATA, Facts(), sidecar=about) == archive.put_image(DATA, Facts(), sidecar=about)


def test_tasks_with_the_same_image_share_it_and_keep_their_records(archive: Archive) -> None:
    first, second = sidecar(prompt="one"), sidecar(prompt="two")
    assert archive.put_image(DATA, Facts(), sidecar=first) == archive.put_image(DATA, Facts(), sidecar=second)
    assert [json.loads(archive.get(record_of(about)))["prompt"] for about in (first, second)] == ["one", "two"]


def test_a_task_of_several_images_has_a_record_for_each(archive: Archive) -> None:
    about = sidecar()
    for part in (1, 2):
        archive.put_image(DATA + bytes([part]), Facts(), sidecar=about, part=part)
    hashes = {json.loads(archive.get(record_of(about, f".{part}")))["object"]["sha256"] for part in (1, 2)}
    assert len(hashes) == 2


def test_a_record_that_has_become_richer_replaces_the_former(archive: Archive) -> None:
    about = sidecar()
    for scores in ({}, {"sharp": 1}):
        archive.put_image(DATA, Facts(), sidecar=about | {"scores": scores})
    assert json.loads(archive.get(record_of(about)))["scores"] == {"sharp": 1}


def test_an_image_is_verified(archive: Archive) -> None:
    assert not archive.exists(KEY)
    assert not archive.verify(KEY)
    archive.put_image(DATA, Facts(), sidecar=sidecar())
    assert archive.exists(KEY)
    assert archive.verify(KEY)


def test_what_is_removed_is_gone_and_may_come_back(archive: Archive) -> None:
    about = sidecar()
    stored = archive.put_image(DATA, Facts(), sidecar=about)
    assert archive.key_of(stored.uri) == KEY
    for key in (KEY, record_of(about)):
        archive.remove(key)
        archive.remove(key)
        assert not archive.exists(key)
    archive.put_back(KEY, DATA)
    assert archive.verify(KEY)


def test_a_record_is_written_anew(archive: Archive) -> None:
    about = sidecar()
    archive.put_image(DATA, Facts(), sidecar=about)
    archive.put_record(record_of(about), {"task_id": about["task_id"]})
    assert json.loads(archive.get(record_of(about))) == {"task_id": about["task_id"]}


def test_what_is_another_archives_is_not_touched(archive: Archive) -> None:
    with pytest.raises(ArchiveFailed):
        archive.key_of(f"file:///elsewhere/{KEY}")
    with pytest.raises(ArchiveFailed):
        archive.put_record(KEY, {})
    with pytest.raises(ArchiveFailed):
        archive.remove("check.json")


def test_what_is_not_there_is_not_found(archive: Archive) -> None:
    with pytest.raises(NotFound, match=SHA):
        archive.get(KEY)


def test_a_good_archive_passes_the_check_twice(archive: Archive) -> None:
    archive.check()
    archive.check()


@pytest.mark.parametrize(
    "key", ["../etc/passwd", "/etc/passwd", "images/../x", "check.json", KEY + "\n", KEY + "/..", ""]
)
def test_no_other_key_is_touched(archive: Archive, key: str) -> None:
    for act in (archive.get, archive.exists, archive.verify):
        with pytest.raises(ArchiveFailed, match="not"):
            act(key)


@pytest.mark.parametrize(
    "broken",
    [{"task_id": "../x"}, {"task_id": None}, {"created_at": "yesterday"}, {"created_at": "2026-11-21T10:00:00"}],
)
def test_without_a_proper_task_nothing_is_stored(archive: Archive, broken: dict[str, Any]) -> None:
    with pytest.raises(ArchiveFailed):
        archive.put_image(DATA, Facts(), sidecar=sidecar() | broken)
    with pytest.raises(ArchiveFailed):
        archive.put_image(DATA, replace(Facts(), format="svg"), sidecar=sidecar())
    assert not archive.exists(KEY)


def test_the_record_of_a_task_is_found_by_its_key(archive: Archive) -> None:
    about = sidecar()
    archive.put_image(DATA, Facts(), sidecar=about)
    assert archive.exists(record_key(about["task_id"], datetime(2026, 11, 30, tzinfo=UTC)))


# Memory ---------------------------------------------------------------------------------------------


def test_memory_is_shared_by_name_within_the_process() -> None:
    name = f"memory://{uuid4()}"
    open_archive(name).put_image(DATA, Facts(), sidecar=sidecar())
    assert open_archive(f"{name}/").exists(KEY)
    assert not open_archive(f"{name}x").exists(KEY)


# A folder -------------------------------------------------------------------------------------------


def test_the_same_again_writes_nothing(tmp_path: Path) -> None:
    archive, about = open_archive(tmp_path.as_uri()), sidecar()

    def marks() -> dict[Path, tuple[int, int]]:
        return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in tmp_path.rglob("*")}

    archive.put_image(DATA, Facts(), sidecar=about)
    before = marks()
    archive.put_image(DATA, Facts(), sidecar=about)
    assert marks() == before
    assert sum(path.is_file() for path in before) == 2


@pytest.mark.parametrize("torn", [b"", b"\0" * len(DATA), DATA[:-1]])
def test_a_torn_image_is_noticed_and_repaired(tmp_path: Path, torn: bytes) -> None:
    archive = open_archive(tmp_path.as_uri())
    archive.put_image(DATA, Facts(), sidecar=sidecar())
    (tmp_path / KEY).write_bytes(torn)

    assert not archive.verify(KEY)
    archive.put_image(DATA, Facts(), sidecar=sidecar())
    assert archive.verify(KEY)


DIES_BEFORE_THE_RECORD = """
import os, signal, sys
from types import SimpleNamespace
from orchestrator.archive import storage

class Dying(storage.Archive):
    def _write(self, key, *rest):
        if key.startswith("records/"):
            os.kill(os.getpid(), signal.SIGKILL)
        super()._write(key, *rest)

storage.Archive = Dying
facts = SimpleNamespace(format="png", content_type="image/png", width=64, height=32)
about = {"task_id": sys.argv[2], "created_at": "2026-11-21T10:00:00Z"}
storage.open_archive(sys.argv[1]).put_image(sys.stdin.buffer.read(), facts, sidecar=about)
"""


def test_a_kill_between_image_and_record_is_healed_by_doing_it_again(tmp_path: Path) -> None:
    about = sidecar()
    command = [sys.executable, "-c", DIES_BEFORE_THE_RECORD, tmp_path.as_uri(), about["task_id"]]
    died = subprocess.run(command, input=DATA, check=False, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    archive = open_archive(tmp_path.as_uri())
    assert died.returncode == -signal.SIGKILL
    assert archive.verify(KEY)
    assert not archive.exists(record_of(about))

    archive.put_image(DATA, Facts(), sidecar=about)
    assert archive.exists(record_of(about))


def test_what_a_killed_writer_left_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / KEY).parent.mkdir(parents=True)
    (tmp_path / f"{KEY}#1").write_bytes(DATA[:7])
    archive = open_archive(tmp_path.as_uri())
    assert not archive.exists(KEY)
    archive.put_image(DATA, Facts(), sidecar=sidecar())
    assert archive.verify(KEY)


def test_files_and_their_names_are_flushed_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[tuple[int, int]] = []

    def flush(opened: int, really: Any = os.fsync) -> None:
        flushed.append((os.fstat(opened).st_dev, os.fstat(opened).st_ino))
        really(opened)

    monkeypatch.setattr(os, "fsync", flush)
    about = sidecar()
    open_archive((tmp_path / "new" / "er").as_uri()).put_image(DATA, Facts(), sidecar=about)

    root = tmp_path / "new" / "er"
    written = [root / KEY, root / record_of(about)]
    lasting = {tmp_path, root.parent, root} | {
        path for file in written for path in (file, *file.parents) if path.is_relative_to(root)
    }
    assert {(path.stat().st_dev, path.stat().st_ino) for path in lasting} == set(flushed)


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Root may write anywhere: be nobody for a moment."""
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(65534)
    yield
    if was_root:
        os.seteuid(0)


def test_a_read_only_folder_is_said_clearly(tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    archive = open_archive(folder.as_uri())
    tmp_path.chmod(0o755)
    folder.chmod(0o555)
    with ordinary_user(), pytest.raises(ArchiveFailed, match="Permission denied") as caught:
        archive.check()
    folder.chmod(0o755)
    assert f"Could not write {folder.as_uri()}/check.json" in caught.value.message
    assert "\n" not in caught.value.message


def test_a_folder_that_cannot_be_made_is_said_clearly(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ArchiveFailed, match=r"Could not open file://.*/file/archive: .*Not a directory"):
        open_archive(f"{tmp_path.as_uri()}/file/archive")


# An S3-like server ----------------------------------------------------------------------------------


def test_objects_carry_their_media_type(bucket: BucketServer) -> None:
    open_archive("s3://bucket/a/").put_image(DATA, Facts(), sidecar=sidecar())
    assert bucket.types[f"/bucket/a/{KEY}"] == "image/png"
    assert sorted(bucket.types.values()) == ["application/json", "image/png"]


def test_a_store_that_loses_bytes_is_noticed(bucket: BucketServer) -> None:
    bucket.lossy = True
    with pytest.raises(ArchiveFailed, match=f"wrote {len(DATA)} bytes, found 10"):
        open_archive("s3://bucket").put_image(DATA, Facts(), sidecar=sidecar())
    assert not [path for path in bucket.objects if "records" in path]


def test_a_store_that_refuses_is_said_without_secrets(bucket: BucketServer) -> None:
    bucket.read_only = True
    with pytest.raises(ArchiveFailed, match=r"Could not write s3://bucket/check\.json: ") as caught:
        open_archive("s3://bucket").check()
    assert "s3cr3t" not in caught.value.message
    assert "\n" not in caught.value.message
