"""Cursors: the place after which a list's next page begins, as text that means nothing to a client."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from orchestrator.store.paging import Place

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHAPE = struct.Struct(">q16s")  # microseconds since 1970, the row's id
PATTERN = "^[A-Za-z0-9_-]{32}$"  # of its base64
T = TypeVar("T")


def write(place: Place) -> str:
    return base64.urlsafe_b64encode(
        _SHAPE.pack((place.at - EPOCH) // timedelta(microseconds=1), place.id.bytes)
    ).decode()


def read(text: str) -> Place:
    """Raises ValueError for what is no cursor of ours."""
    try:
        microseconds, row = _SHAPE.unpack(base64.b64decode(text.encode(), altchars=b"-_", validate=True))
        return Place(EPOCH + timedelta(microseconds=microseconds), UUID(bytes=row))
    except (binascii.Error, struct.error, OverflowError, UnicodeEncodeError) as error:
        raise ValueError("no cursor of ours") from error


def page(found: Sequence[T], limit: int, place: Callable[[T], Place]) -> dict[str, Any]:
    """The answer of a list, from one row more than the page has."""
    shown = found[:limit]
    return {"items": shown, "next": write(place(shown[-1])) if len(found) > limit else None}
