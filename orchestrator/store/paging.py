"""A place in a list that is sorted newest first, so that the next page begins after it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Place:
    """The time and the id of the last row seen."""

    at: datetime
    id: UUID
