"""Where images are kept: content-addressed objects and one JSON record per task, on any object storage.

``images/ab/cd/<sha256>.<ext>`` is named by its content, so that storing it twice is storing it once.
``records/<yyyy>/<mm>/<task_id>.json`` says whose it is; written last, it never names an image that is not there.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, MemoryStore, ObjectStore, from_url

from orchestrator.archive.keys import IMAGE_KEY, RECORD_KEY, checked_key, image_key, record_of
from orchestrator.errors import ArchiveFailed, ConfigError, NotFound

if TYPE_CHECKING:
    from obstore.store import RetryConfig  # exists in its type stubs only

PROBE_KEY = "check.json"
REMOTE_SCHEMES = {"s3", "gs", "az"}
RETRY: RetryConfig = {"max_retries": 4, "retry_timeout": timedelta(seconds=60)}


class Facts(Protocol):
    """What the archive wants to know of a decoded image; pixels."""

    @property
    def format(self) -> str: ...
    @property
    def content_type(self) -> str: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One archived image: where it is, what it is; ``bytes`` is its size, ``width`` and ``height`` are pixels."""

    uri: str
    sha256: str
    bytes: int
    width: int
    height: int
    content_type: str
    key: str


def open_archive(url: str) -> Archive:
    """For ``file:///absolute/folder``, ``s3://bucket/prefix``, ``gs://...``, ``az://...``, ``memory://``.

    ConfigError: not such a URL. ArchiveFailed: the folder cannot be made or the store's settings are incomplete.
    Open it in the process that uses it: the library's threads do not survive a fork.
    """
    parts = urlsplit(url)
    if parts.scheme == "memory" and parts.path in {"", "/"}:
        return Archive(_memory(parts.netloc), f"memory://{parts.netloc}")
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/") and not parts.query:
        return _local(Path(unquote(parts.path)))
    if parts.scheme in REMOTE_SCHEMES and parts.netloc and "@" not in parts.netloc and not parts.query:
        with _translated(f"open {url}"):
            return Archive(from_url(url, retry_config=RETRY), url.rstrip("/"))
    raise ConfigError(
        f"ORCHESTRATOR_ARCHIVE_URL: a URL of scheme {parts.scheme!r} is not usable as given; allowed are file:///absolute/"
        "folder, s3://bucket/prefix, gs://bucket/prefix, az://container/prefix and memory://, without user or query."
    )


class Archive:
    """An opened archive. Foreign errors become ArchiveFailed. Safe to share between threads, not across a fork."""

    def __init__(self, store: ObjectStore, uri: str, folder: Path | None = None) -> None:
        """``folder``: where the objects are files of this machine."""
        self.uri = uri
        self._store = store
        self._folder = folder

    def put_image(
        self, data: bytes, facts: Facts, *, sidecar: Mapping[str, Any], part: int | None = None
    ) -> StoredObject:
        """Store the image, check that it is there, then store the task's record: ``sidecar`` with ``object`` added.

        ``sidecar`` is JSON with at least ``task_id`` (UUID) and ``created_at`` (the task's, RFC 3339: it names the
        record's folder, so that every retry meets the same record). Doing it again changes nothing that is right and
        repairs what is not. ``part`` counts the images of a task that has several; else the last one keeps the record.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        key = image_key(sha256, facts.format)
        stored = StoredObject(
            f"{self.uri}/{key}", sha256, len(data), facts.width, facts.height, facts.content_type, key
        )
        record = record_of(sidecar, part)
        content = _json({**sidecar, "object": asdict(stored)})
        if not self.verify(key):
            self._write(key, data, facts.content_type)
        if self._content(record) != content:
            self._write(record, content, "application/json")
        return stored

    def get(self, key: str) -> bytes:
        """The bytes of an image or a record. NotFound if there is none."""
        found = self._content(checked_key(key))
        if found is None:
            raise NotFound(f"The archive has no {key}.")
        return found

    def put_record(self, key: str, record: Mapping[str, Any]) -> None:
        """Write a record anew, whole or not at all."""
        if RECORD_KEY.fullmatch(key) is None:
            raise ArchiveFailed(f"{key!r} is not the key of a record.")
        self._write(key, _json(record), "application/json")

    def put_back(self, key: str, data: bytes) -> None:
        """Write an image again that has just been removed."""
        self._write(checked_key(key), data, f"image/{'jpeg' if key.endswith('.jpg') else key.rpartition('.')[2]}")

    def remove(self, key: str) -> None:
        """Remove an image or a record, if it is there; once this returns it is gone for good, on ``file://`` too."""
        with _translated(f"remove {self.uri}/{key}"):
            try:
                obstore.delete(self._store, checked_key(key))
            except FileNotFoundError:
                return
            if self._folder:
                _flush((self._folder / key).parent)

    def key_of(self, uri: str) -> str:
        """The key of an object of this archive by its URI. ArchiveFailed for one of another archive."""
        key = uri.removeprefix(f"{self.uri}/")
        if key == uri:
            raise ArchiveFailed(f"{uri} is not in {self.uri}.")
        return checked_key(key)

    def exists(self, key: str) -> bool:
        """Is there an object of this key (of whatever content)?"""
        return self._size(checked_key(key)) is not None

    def verify(self, key: str) -> bool:
        """Read the image again: is it there, and is its content what its name says?"""
        match = IMAGE_KEY.fullmatch(key)
        if match is None:
            raise ArchiveFailed(f"{key!r} is not the key of an image.")
        found = self._content(key)
        return found is not None and hashlib.sha256(found).hexdigest() == match["sha256"]

    def check(self) -> None:
        """Write and read a small object (always the same one; it stays). ArchiveFailed says what does not work."""
        self._write(PROBE_KEY, b'{"purpose": "written to check that this archive is writable"}\n', "application/json")

    def _write(self, key: str, data: bytes, content_type: str) -> None:
        """Whole or not at all; once this returns it is there, on ``file://`` also after a power cut."""
        attributes = None if self._folder else {"Content-Type": content_type}
        with _translated(f"write {self.uri}/{key}"):
            obstore.put(self._store, key, data, attributes=attributes, use_multipart=False)
            if self._folder:
                _sync(self._folder, key)
        size = self._size(key)
        if size != len(data):
            raise ArchiveFailed(f"{self.uri}/{key}: wrote {len(data)} bytes, found {size or 'nothing'}.")

    def _content(self, key: str) -> bytes | None:
        with _translated(f"read {self.uri}/{key}"):
            try:
                return bytes(obstore.get(self._store, key).bytes())
            except FileNotFoundError:
                return None

    def _size(self, key: str) -> int | None:
        with _translated(f"look at {self.uri}/{key}"):
            try:
                return obstore.head(self._store, key)["size"]
            except FileNotFoundError:
                return None


@cache
def _memory(_name: str) -> MemoryStore:
    """One per name and process."""
    return MemoryStore()


def _local(folder: Path) -> Archive:
    with _translated(f"open {folder.as_uri()}"):
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        for path in missing:
            _flush(path.parent)
        return Archive(LocalStore(folder), folder.as_uri(), folder.resolve())


def _json(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=False, indent=2, sort_keys=True, allow_nan=False).encode() + b"\n"


def _sync(folder: Path, key: str) -> None:
    """LocalStore writes a temporary file and renames it, but leaves both in the page cache: make them last."""
    for path in (PurePosixPath(key), *PurePosixPath(key).parents):
        _flush(folder / path)


def _flush(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextmanager
def _translated(intent: str) -> Iterator[None]:
    try:
        yield
    except (BaseError, OSError, ValueError) as error:
        first = re.sub(r"\?\S*", "?...", str(error).partition("\n")[0])  # the rest repeats the request
        raise ArchiveFailed(f"Could not {intent}: {first}") from error
