"""A submission whose answer was lost: is it among the account's tasks?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

from orchestrator.core.events import Sighting
from orchestrator.core.tokens import task_named_in
from orchestrator.errors import MalformedDelivery
from orchestrator.providers.acedata.lookups import Listing, id_of, task_event
from orchestrator.providers.base import FAR, NEAR, Order

_WHAT = ("action", "image_id", "image_url", "video_id")  # what a provider has no reason to reword


def sighting(listing: Listing, order: Order, body: Mapping[str, Any]) -> Sighting:
    """What a listing says about an order. ``body``: what was sent.

    A job with a callback URL is recognised by the task that its token names, whatever host, secret and way of waiting
    were configured then. One without is recognised by what was asked for and when, and only on a polled account, and
    only when a single one fits that is not known as another task's. What merely may be it leaves the matter open.
    """
    candidates = [task for task in listing.tasks if _may_be(task, order, body)]
    names = tuple(name for name in map(id_of, candidates) if name)
    free = [task for task in candidates if id_of(task) not in order.taken]
    ours = [task for task in free if _is_ours(task, order, body)]
    if ours:
        latest = max(ours, key=lambda task: _address(task) == order.callback_url)  # the first of the best
        return replace(_seen(latest), candidates=names)
    alike = [task for task in free if _is_alike(task, order, body)]
    if len(alike) == 1:
        return replace(_seen(alike[0]), candidates=names)
    return Sighting(absent=not candidates and (listing.complete or covers(listing, order)), candidates=names)


def settled(listing: Listing, order: Order, body: Mapping[str, Any]) -> bool:
    """Whether further pages cannot change the answer."""
    return any(_is_ours(task, order, body) for task in listing.tasks) or covers(listing, order)


def covers(listing: Listing, order: Order) -> bool:
    """Whether the list, newest first, reaches back beyond the submission."""
    times = [created_at(task) for task in listing.tasks]
    if order.sent_at is None or not times:
        return False
    known = [time for time in times if time is not None]
    falling = len(known) == len(times) and all(later >= earlier for later, earlier in pairwise(known))
    return falling and known[-1] < (order.sent_at - FAR).timestamp()


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


def _is_ours(task: Mapping[str, Any], order: Order, body: Mapping[str, Any]) -> bool:
    """By its callback URL. Of one that we would not write today the MAC is not checked, so what was asked must fit."""
    address = _address(task)
    return address == order.callback_url or (
        task_named_in(address) == order.task_id and _same(_request(task), body, _WHAT)
    )


def _is_alike(task: Mapping[str, Any], order: Order, body: Mapping[str, Any]) -> bool:
    """By what was asked and when, where nobody was to be called back."""
    polled = order.callback_url is None and not _address(task)
    return polled and _since(task, order, NEAR) and _same(_request(task), body, ("prompt", *_WHAT))


def _may_be(task: Mapping[str, Any], order: Order, body: Mapping[str, Any]) -> bool:
    """Not excluded. A job that names another task of ours is; a URL that is none of ours says nothing.

    The provider may have reworded the prompt, or not show what was asked.
    """
    named = task_named_in(_address(task))
    if named is not None or _is_ours(task, order, body):
        return named in (None, order.task_id)
    request = _request(task)
    fits = _since(task, order, FAR) and (not request or _same(request, body, _WHAT))
    return fits and id_of(task) not in order.taken


def _request(task: Mapping[str, Any]) -> Mapping[str, Any]:
    request = task.get("request")
    return request if isinstance(request, Mapping) else {}


def _address(task: Mapping[str, Any]) -> str:
    """The callback URL that a job was sent with; empty when it shows none."""
    address = _request(task).get("callback_url")
    return address if isinstance(address, str) else ""


def _since(task: Mapping[str, Any], order: Order, skew: timedelta) -> bool:
    at = created_at(task)
    return at is None or order.sent_at is None or at >= (order.sent_at - skew).timestamp()


def _same(request: Mapping[str, Any], body: Mapping[str, Any], keys: Iterable[str]) -> bool:
    return all(str(request.get(key) or "") == str(body.get(key) or "") for key in keys)
