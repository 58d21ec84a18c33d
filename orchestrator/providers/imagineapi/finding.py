"""A creation whose answer was lost: is there a row with our reference, or one that can only be ours?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from orchestrator.config import Account
from orchestrator.core.events import Sighting
from orchestrator.errors import MalformedDelivery
from orchestrator.providers.base import FAR, NEAR, Order
from orchestrator.providers.http import Transport
from orchestrator.providers.imagineapi.lookups import Row, listed
from orchestrator.providers.imagineapi.ordering import body_of
from orchestrator.providers.imagineapi.reading import event_of, id_of
from orchestrator.providers.imagineapi.refusals import FORBIDDEN

_PAGE, _PAGES = 100, 10
_NO_REF = frozenset({FORBIDDEN, "invalid_query", "failed_validation"})  # how a server without ``ref`` answers


def find(transport: Transport, account: Account, order: Order) -> Sighting:
    """Look for the order's row. Raises ProviderError.

    By its reference it is recognised for sure. Rows without one are compared by prompt and time; that no row has our
    reference proves nothing as long as such a row might be ours.
    """
    body = body_of(account, order)
    query: dict[str, str | int] = {"filter[ref][_eq]": body["ref"], "sort": "-date_created", "limit": 5}
    named = listed(transport, account, query, excused=_NO_REF) or []
    ours = [row for row in named if row.get("ref") == body["ref"] and id_of(row) not in order.taken]
    if ours:
        return _seen(ours[0]) if len(ours) == 1 else Sighting(candidates=_names(ours))
    rows, complete = _recent(transport, account, order)
    return sighting(rows, order, body["prompt"], complete=complete)


def sighting(rows: Sequence[Row], order: Order, prompt: str, *, complete: bool) -> Sighting:
    """What the account's recent rows say about an order that none has the reference of."""
    candidates = [row for row in rows if id_of(row) not in order.taken and _may_be(row, order, prompt)]
    names = _names(candidates)
    near = [row for row in candidates if _since(row, order, NEAR)]
    if len(near) == 1:
        return replace(_seen(near[0]), candidates=names)
    return Sighting(absent=not candidates and (complete or covers(rows, order)), candidates=names)


def covers(rows: Sequence[Row], order: Order) -> bool:
    """Whether the list, newest first, reaches back beyond the submission."""
    times = [created_at(row) for row in rows]
    known = [time for time in times if time is not None]
    if order.sent_at is None or not known or len(known) < len(times):
        return False
    return all(later >= earlier for later, earlier in pairwise(known)) and known[-1] < order.sent_at - FAR


def created_at(row: Row) -> datetime | None:
    """When the provider made the row; UTC."""
    value = row.get("date_created")
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return at.replace(tzinfo=UTC) if at and at.tzinfo is None else at


def _recent(transport: Transport, account: Account, order: Order) -> tuple[list[Row], bool]:
    """The account's rows, newest first, as far back as matters; and whether there are no others."""
    rows: dict[str, Row] = {}
    for number in range(_PAGES):
        query: dict[str, str | int] = {"sort": "-date_created", "limit": _PAGE, "offset": number * _PAGE}
        page = listed(transport, account, query) or []
        known = len(rows)
        for row in page:
            rows.setdefault(id_of(row) or f"unnamed {len(rows)}", row)
        so_far = list(rows.values())
        # A page without news means that the offset is not heeded, and then there is no end to be seen.
        if not page or len(rows) == known or covers(so_far, order):
            return so_far, not page
    return list(rows.values()), False


def _may_be(row: Row, order: Order, prompt: str) -> bool:
    return _since(row, order, FAR) and not row.get("ref") and _words(row) in (None, prompt.split())


def _since(row: Row, order: Order, skew: timedelta) -> bool:
    at = created_at(row)
    return at is None or order.sent_at is None or at >= order.sent_at - skew


def _names(rows: Sequence[Row]) -> tuple[str, ...]:
    return tuple(name for name in map(id_of, rows) if name)


def _words(row: Mapping[str, object]) -> list[str] | None:
    """The words of a row's prompt; None when it does not show it."""
    prompt = row.get("prompt")
    return prompt.split() if isinstance(prompt, str) else None


def _seen(row: Row) -> Sighting:
    name = id_of(row)
    if name is None:
        return Sighting()
    try:
        return Sighting(name, events=(event_of(row),), candidates=(name,))
    except MalformedDelivery:
        return Sighting(name, candidates=(name,))  # that it exists is what was asked
