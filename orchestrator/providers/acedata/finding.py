"""A submission whose answer was lost: is it among the account's tasks?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

from orchestrator.core.events import Sighting
from orchestrator.errors import MalformedDelivery
from orchestrator.providers.acedata.lookups import Listing, id_of, task_event
from orchestrator.providers.base import Order

_SKEW = timedelta(seconds=5)  # between the provider's clock and ours
_MARGIN = timedelta(seconds=60)  # by which a list must reach further back, before its silence counts
_WHAT = ("action", "image_id", "image_url", "video_id")  # what a provider has no reason to reword


def sighting(listing: Listing, order: Order, body: Mapping[str, Any]) -> Sighting:
    """What a listing says about an order. ``body``: what was sent.

    With a callback URL, which is unique, the job is recognised for sure. Without one it is recognised by what was
    asked for and when, and only when a single task fits that is not known as another's.
    """
    free = [task for task in listing.tasks if id_of(task) not in order.taken]
    exact = [task for task in free if _is_sent(task, order, body)]
    candidates = exact or [task for task in free if _may_be(task, order, body)]
    names = tuple(name for name in map(id_of, candidates) if name)
    if len(exact) == 1 or (exact and order.callback_url):
        return replace(_seen(exact[0]), candidates=names)
    return Sighting(absent=not candidates and (listing.complete or covers(listing, order)), candidates=names)


def settled(listing: Listing, order: Order, body: Mapping[str, Any]) -> bool:
    """Whether further pages cannot change the answer."""
    recognised = order.callback_url is not None and any(_is_sent(task, order, body) for task in listing.tasks)
    return recognised or covers(listing, order)


def covers(listing: Listing, order: Order) -> bool:
    """Whether the list, newest first, reaches back beyond the submission."""
    times = [created_at(task) for task in listing.tasks]
    if order.sent_at is None or not times:
        return False
    known = [time for time in times if time is not None]
    falling = len(known) == len(times) and all(later >= earlier for later, earlier in pairwise(known))
    return falling and known[-1] < (order.sent_at - _MARGIN).timestamp()


def created_at(task: Mapping[str, Any]) -> float | None:
    """Epoch seconds at which the provider took the job."""
    value = task.get("created_at")
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _seen(task: Mapping[str, Any]) -> Sighting:
    external_id = id_of(task)
    if external_id is None:
        return Sighting()
    try:
        return Sighting(external_id, events=(task_event(task),))
    except MalformedDelivery:
        return Sighting(external_id)  # that it exists is what was asked


def _is_sent(task: Mapping[str, Any], order: Order, body: Mapping[str, Any]) -> bool:
    request = task.get("request")
    if not isinstance(request, Mapping):
        return False
    if order.callback_url is not None:
        return request.get("callback_url") == order.callback_url
    return _since(task, order) and _same(request, body, ("prompt", *_WHAT))


def _may_be(task: Mapping[str, Any], order: Order, body: Mapping[str, Any]) -> bool:
    """Not recognised, yet not excluded either: the time fits, and the provider may have reworded what was sent."""
    request = task.get("request")
    if not _since(task, order):
        return False
    if not isinstance(request, Mapping):
        return True
    return order.callback_url is None and _same(request, body, _WHAT)


def _since(task: Mapping[str, Any], order: Order) -> bool:
    at = created_at(task)
    return at is None or order.sent_at is None or at >= (order.sent_at - _SKEW).timestamp()


def _same(request: Mapping[str, Any], body: Mapping[str, Any], keys: Iterable[str]) -> bool:
    return all(str(request.get(key) or "") == str(body.get(key) or "") for key in keys)
