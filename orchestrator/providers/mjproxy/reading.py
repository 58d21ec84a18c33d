"""midjourney-proxy's task objects -> events. notifyHook gets the same object that a look-up answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from marshmallow import INCLUDE, Schema, ValidationError

from orchestrator.core.events import Event, EventKind
from orchestrator.errors import MalformedDelivery
from orchestrator.providers.fields import As, external_id, pixels, sentences, string
from orchestrator.providers.mjproxy.buttons import listed, offered
from orchestrator.providers.mjproxy.failures import error_of
from orchestrator.providers.mjproxy.texts import paragraphs
from orchestrator.providers.payload import objects

_MEANING = frozenset({"id", "status"})
_KNOWN = _MEANING | {"progress", "failReason", "imageUrl", "buttons", "width", "height", "seed", "prompt"}
_TEXTUAL = frozenset({"DESCRIBE", "SHORTEN"})
_PERCENT = re.compile(r"(?<![\d.])(\d{1,3})(?:\.\d{1,9})?\s*%", re.ASCII)
_NUMBER = re.compile(r"\s*(\d{1,3})(?:\.\d{1,9})?\s*", re.ASCII)


class TaskSchema(Schema):
    """What decides what a task object means. All else is read as far as it can be, and never fatal."""

    class Meta:
        unknown = INCLUDE

    id = As(external_id, allow_none=True)
    status = As(string, allow_none=True)
    imageUrl = As(string, allow_none=True)  # noqa: N815  # the wire's name


_SCHEMA = TaskSchema()


def read(body: bytes) -> tuple[Event, ...]:
    """The events of a delivery. Raises MalformedDelivery, with the errors by field."""
    return tuple(event for event in map(event_of, objects(body)) if event)


def event_of(item: Mapping[str, Any]) -> Event | None:
    """The event in one task object: its status decides, never its progress. Raises MalformedDelivery.

    None for a window that waits to be confirmed: it is no job yet. Taken for one, it would hide that the confirmation
    was refused, or that the worker died before it confirmed.
    """
    task = _load(item)
    if not task.keys() & _MEANING:
        raise MalformedDelivery(f"the object has none of {', '.join(sorted(_MEANING))}")
    name, status = task.get("id") or None, task.get("status", "").strip().upper()
    if status == "MODAL":
        return None
    if status == "SUCCESS":
        return Event(EventKind.SUCCEEDED, name, 100, _result(task, name))
    if status in ("FAILURE", "CANCEL"):
        error = error_of(task.get("failReason"), otherwise="cancelled" if status == "CANCEL" else "task_failed")
        return Event(EventKind.FAILED, name, None, _extra(task), error)
    return _unfinished(task, name, status)


def named(item: Mapping[str, Any]) -> str | None:
    """The job that a task object names, whatever else is wrong with it."""
    try:
        return external_id(item.get("id")) or None
    except ValidationError:
        return None


def percent(value: Any) -> int | None:
    """Progress from 0 to 100: "46%", " 46.5 %", 46, "(93%) fast"; None for anything that says no percentage."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = value if isinstance(value, str) else f"{value:.6f}" if isinstance(value, float) else str(value)
    match = _NUMBER.fullmatch(text) or _PERCENT.search(text)
    return int(match[1]) if match and int(match[1]) <= 100 else None


def _load(item: Mapping[str, Any]) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = _SCHEMA.load(item)
    except ValidationError as error:
        by_field = {str(key): sentences(value) for key, value in error.messages_dict.items()}
        raise MalformedDelivery(f"wrong in {', '.join(sorted(by_field))}", fields=by_field) from error
    return {key: value for key, value in loaded.items() if value is not None}  # a null says no more than no key


def _unfinished(task: Mapping[str, Any], name: str | None, status: str) -> Event:
    """An empty status is a gateway's that has not asked its upstream yet."""
    preview = {"preview_url": task["imageUrl"]} if task.get("imageUrl") else {}
    result = {**preview, **(_extra(task) or {})} or None
    kind = EventKind.PROGRESSED if status == "IN_PROGRESS" else EventKind.ACCEPTED
    return Event(kind, name, percent(task.get("progress")), result)


def _result(task: Mapping[str, Any], name: str | None) -> dict[str, Any]:
    result: dict[str, Any] = {"image_id": name} if name else {}
    if url := task.get("imageUrl"):
        result |= {"image_url": url, "raw_image_url": url, **_size(task), **_singles(task)}
    buttons = listed(task.get("buttons"))
    result |= {"actions": list(offered(buttons)), "buttons": buttons} if "buttons" in task else {}
    result |= {key: str(task[key]) for key in ("prompt", "seed") if isinstance(task.get(key), str | int)}
    return {**result, **_texts(task), **(_extra(task) or {})}


def _size(task: Mapping[str, Any]) -> dict[str, int]:
    try:
        width, height = pixels(task.get("width")), pixels(task.get("height"))
    except ValidationError:
        return {}
    if not (width and height):
        return {}
    return {"width": width, "height": height, "raw_width": width, "raw_height": height}


def _singles(task: Mapping[str, Any]) -> dict[str, list[str]]:
    """The four candidates on their own, where the layer has them."""
    images = task.get("imageUrls")
    found = [image.get("url") for image in images if isinstance(image, dict)] if isinstance(images, list) else []
    urls = [url for url in found if isinstance(url, str) and url]
    return {"sub_image_urls": urls} if len(urls) == 4 else {}


def _texts(task: Mapping[str, Any]) -> dict[str, Any]:
    action = task.get("action")
    if not isinstance(action, str) or action not in _TEXTUAL:
        return {}
    properties = task.get("properties")
    final = properties.get("finalPrompt") if isinstance(properties, Mapping) else None
    candidates = (final, task.get("promptEn"), task.get("prompt"))
    told = next((text for text in candidates if isinstance(text, str) and text.strip()), "")
    texts = paragraphs(told)
    return {"texts": texts, "text": texts[0]} if texts else {}


def _extra(task: Mapping[str, Any]) -> dict[str, Any] | None:
    extra = {key: value for key, value in task.items() if key not in _KNOWN}
    if isinstance(properties := extra.get("properties"), Mapping):
        # Our own callback URL comes back in it, and with it the secret token of the task.
        extra["properties"] = {key: value for key, value in properties.items() if key != "notifyHook"}
    return {"extra": extra} if extra else None
