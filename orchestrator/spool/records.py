"""A delivery as bytes in a file: the file's mark, lengths, CRC-32, a JSON header, the body as it came.

The mark is random per file, so that no body can look like a record, and what follows a damaged place is found again.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

MARK = 16  # bytes
_LENGTHS = struct.Struct(">III")  # CRC-32 of all that follows it, length of the header, length of the body
_FRAME = MARK + _LENGTHS.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One raw delivery whose token was ours. task_id: None for the account's own hook. tries: in vain so far."""

    id: UUID
    account: str
    task_id: UUID | None
    content_type: str | None
    received_at: datetime
    body: bytes
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """A stretch of a file. delivery: None when it cannot be read."""

    start: int
    end: int
    delivery: Delivery | None


def pack(delivery: Delivery, mark: bytes) -> bytes:
    """The record of a delivery, for the file with this mark."""
    header = {
        "id": str(delivery.id),
        "account": delivery.account,
        "task_id": str(delivery.task_id) if delivery.task_id else None,
        "content_type": delivery.content_type,
        "received_at": delivery.received_at.isoformat(),
        "tries": delivery.tries,
    }
    head = json.dumps(header).encode("ascii")
    lengths = struct.pack(">II", len(head), len(delivery.body))
    checksum = zlib.crc32(delivery.body, zlib.crc32(lengths + head))
    return b"".join((mark, struct.pack(">I", checksum), lengths, head, delivery.body))


def unpack(data: bytes, mark: bytes) -> Iterator[Found]:
    """All that is in a file, in order, without a gap."""
    place = 0
    while place < len(data):
        found = _record(data, mark, place)
        if found is None:
            found = Found(place, _next_record(data, mark, place), None)
        yield found
        place = found.end


def count(data: bytes, mark: bytes) -> int:
    """How many whole records there seem to be: only the lengths are looked at."""
    number = place = 0
    while data.startswith(mark, place) and (end := _end(data, place)) <= len(data):
        number, place = number + 1, end
    return number


def _end(data: bytes, place: int) -> int:
    """Where the record that begins here ends; past the end of the data when it is cut."""
    if place + _FRAME > len(data):
        return len(data) + 1
    _, head, body = _LENGTHS.unpack_from(data, place + MARK)
    return place + _FRAME + int(head) + int(body)


def _record(data: bytes, mark: bytes, place: int) -> Found | None:
    end = _end(data, place)
    if not data.startswith(mark, place) or end > len(data):
        return None
    checksum, head, _ = _LENGTHS.unpack_from(data, place + MARK)
    if zlib.crc32(memoryview(data)[place + MARK + 4 : end]) != checksum:
        return None
    middle = place + _FRAME + head
    try:
        return Found(place, end, _delivery(json.loads(data[place + _FRAME : middle]), data[middle:end]))
    except (ValueError, KeyError, TypeError):  # another version has written it
        return None


def _delivery(header: dict[str, str | int | None], body: bytes) -> Delivery:
    return Delivery(
        id=UUID(str(header["id"])),
        account=str(header["account"]),
        task_id=UUID(str(header["task_id"])) if header["task_id"] else None,
        content_type=None if header["content_type"] is None else str(header["content_type"]),
        received_at=datetime.fromisoformat(str(header["received_at"])),
        body=body,
        tries=int(header["tries"] or 0),
    )


def _next_record(data: bytes, mark: bytes, place: int) -> int:
    """Where the next record that can be read begins, or the end."""
    while (place := data.find(mark, place + 1)) != -1:
        if _record(data, mark, place):
            return place
    return len(data)
