"""AceData's result objects -> events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import INCLUDE, Schema, ValidationError

from orchestrator.core.events import Event, EventKind, TaskError
from orchestrator.errors import MalformedDelivery
from orchestrator.providers.fields import As, external_id, flag, percent, pixels, sentences, string, strings
from orchestrator.providers.payload import objects

# The provider's word -> ours. What is not listed here or in _MEANING is kept under ``extra``.
RESULT_WORDS = {
    "image_id": "image_id",
    "image_url": "image_url",
    "image_width": "width",
    "image_height": "height",
    "raw_image_url": "raw_image_url",
    "raw_image_width": "raw_width",
    "raw_image_height": "raw_height",
    "actions": "actions",
    "sub_image_urls": "sub_image_urls",
    "video_id": "video_id",
    "video_urls": "video_urls",
}
_PICTURES = ("image_url", "sub_image_urls", "video_urls")
_MEANING = frozenset({"success", "task_id", "progress", "error"})
_REASON = frozenset({"code", "message"})
# What an image is no worse for: of an odd form it is left out, and kept under ``extra``.
_SECONDARY = frozenset(
    {"progress", "actions", "image_id", "video_id", "raw_image_url"}
    | {"image_width", "image_height", "raw_image_width", "raw_image_height"}
)


def error_object(value: Any) -> dict[str, Any]:
    """``{"code", "message"}``, or a bare string."""
    if isinstance(value, str):
        return {"message": value}
    if isinstance(value, dict):
        return value
    raise ValidationError("expected an object or a string")


class ResultSchema(Schema):
    """One result object: a callback, a line of a stream, a synchronous answer, the ``response`` of a task."""

    class Meta:
        unknown = INCLUDE

    success = As(flag, allow_none=True)
    task_id = As(external_id, allow_none=True)
    progress = As(percent, allow_none=True)
    error = As(error_object, allow_none=True)
    image_id = As(external_id, allow_none=True)
    video_id = As(external_id, allow_none=True)
    image_url = As(string, allow_none=True)
    image_width = As(pixels, allow_none=True)
    image_height = As(pixels, allow_none=True)
    raw_image_url = As(string, allow_none=True)
    raw_image_width = As(pixels, allow_none=True)
    raw_image_height = As(pixels, allow_none=True)
    actions = As(strings, allow_none=True)
    sub_image_urls = As(strings, allow_none=True)
    video_urls = As(strings, allow_none=True)


_SCHEMA = ResultSchema()


def read(body: bytes) -> tuple[Event, ...]:
    """The events of a delivery. Raises MalformedDelivery, with the errors by field."""
    return tuple(event_of(item) for item in objects(body))


def event_of(item: Mapping[str, Any]) -> Event:
    """The event in one result object. Raises MalformedDelivery."""
    known, extra = _load(item)
    if not known.keys() & _MEANING:
        raise MalformedDelivery(f"the object has none of {', '.join(sorted(_MEANING))}")
    name = known.get("task_id") or None
    progress = known.get("progress")
    more = {"extra": extra} if extra else {}
    if _failed(known):
        return Event(EventKind.FAILED, name, progress, more or None, error_of(known.get("error")))
    if _complete(known) and "progress" not in extra:  # there said in a way that we do not understand
        return Event(EventKind.SUCCEEDED, name, progress, {**_result(known), **more})
    preview = {"preview_url": known["image_url"]} if known.get("image_url") else {}
    # Accepted when the object says no more than that there is a job; else progressed, perhaps with a preview.
    kind = EventKind.ACCEPTED if progress is None and not preview else EventKind.PROGRESSED
    return Event(kind, name, progress, {**preview, **more} or None)


def named(item: Mapping[str, Any]) -> str | None:
    """The job an object names, whatever else is wrong with the object."""
    try:
        return external_id(item.get("task_id")) or None
    except ValidationError:
        return None


def error_of(error: Any) -> TaskError:
    """The reason in an ``error`` of any form: code and message, each with a substitute when it is missing."""
    if not error:
        return TaskError("failed", "the provider gave no reason")
    if not isinstance(error, Mapping):
        return TaskError("failed", str(error))
    code = str(error.get("code") or "failed")
    return TaskError(code, str(error.get("message") or error.get("detail") or code))


def _failed(known: Mapping[str, Any]) -> bool:
    """An error without ``success`` is a failure too: one form of AceData's error body lacks the key."""
    success = known.get("success")
    return success is False or (success is None and bool(known.get("error")))


def _load(item: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What we have words for, and what else there is; a null says no more than no key. Raises MalformedDelivery."""
    odd: dict[str, Any] = {}
    try:
        loaded: dict[str, Any] = _SCHEMA.load(item)
    except ValidationError as error:
        by_field = {str(key): sentences(value) for key, value in error.messages_dict.items()}
        if not by_field.keys() <= _SECONDARY:
            raise MalformedDelivery(f"wrong in {', '.join(sorted(by_field))}", fields=by_field) from error
        loaded = error.valid_data if isinstance(error.valid_data, dict) else {}
        odd = {key: item[key] for key in by_field}
    known = {key: value for key, value in loaded.items() if value is not None and key in _SCHEMA.fields}
    beyond = {key: value for key, value in loaded.items() if value is not None and key not in _SCHEMA.fields}
    return known, beyond | odd | _beyond_reason(known.get("error"))


def _beyond_reason(error: Any) -> dict[str, Any]:
    more = {key: error[key] for key in error if key not in _REASON} if isinstance(error, Mapping) else {}
    return {"error": more} if more else {}


def _complete(known: Mapping[str, Any]) -> bool:
    if known.get("success") is not True:
        return False
    progress = known.get("progress")
    return progress == 100 or (progress is None and any(known.get(key) for key in _PICTURES))


def _result(known: Mapping[str, Any]) -> dict[str, Any]:
    return {ours: known[theirs] for theirs, ours in RESULT_WORDS.items() if theirs in known}
