"""ImagineAPI's rows -> events, whether they come in a webhook, in ``data``, or bare."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from marshmallow import INCLUDE, Schema, ValidationError

from orchestrator.core.events import Event, EventKind, TaskError
from orchestrator.errors import MalformedDelivery
from orchestrator.providers.fields import As, external_id, percent, sentences, string, strings
from orchestrator.providers.payload import MAX_OBJECTS, objects

_NOT_BEGUN = frozenset({"pending", "queued"})
_QUADRANTS = 4
_MEANING = frozenset({"id", "status", "progress", "url", "error", "upscaled_urls"})
_REASONS = (
    (re.compile(r"timeout", re.IGNORECASE), "timeout"),
    (re.compile(r".*\bcredits? exhausted", re.IGNORECASE | re.DOTALL), "credits_exhausted"),
    (re.compile(r"image not sent", re.IGNORECASE), "image_not_sent"),
    (re.compile(r"midjourney message", re.IGNORECASE), "midjourney_message"),
)


def progress(value: Any) -> int | None:
    """0 to 100; None for words, as Midjourney says while a job waits, and whatever else is none: the status decides."""
    try:
        return percent(value)
    except ValidationError:
        return None


def sentence(value: Any) -> str:
    """Text; what else an error may be, as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class RowSchema(Schema):
    """One row of ``images``."""

    class Meta:
        unknown = INCLUDE

    id = As(external_id, allow_none=True)
    status = As(string, allow_none=True)
    progress = As(progress, allow_none=True)
    url = As(string, allow_none=True)
    error = As(sentence, allow_none=True)
    upscaled_urls = As(strings, allow_none=True)


_SCHEMA = RowSchema()


def read(body: bytes) -> tuple[Event, ...]:
    """The events in a body, in its order. Raises MalformedDelivery."""
    found = [row for item in objects(body) for row in rows(item)]
    if len(found) > MAX_OBJECTS:
        raise MalformedDelivery(f"more than {MAX_OBJECTS} rows in one delivery")
    return tuple(map(event_of, found))


def rows(item: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows in an object: a webhook's ``payload``, Directus' ``data``, or itself. Raises MalformedDelivery."""
    key = next((key for key in ("payload", "data") if key in item and not {"id", "status"} <= item.keys()), None)
    if key is None:
        return [dict(item)]
    inner = item[key] if isinstance(item[key], list) else [item[key]]
    if not inner or not all(isinstance(row, dict) for row in inner):
        raise MalformedDelivery(f"{key} is no row of images", fields={key: ["expected an object"]})
    around = {word: value for word, value in item.items() if word not in {key, "event", *_MEANING}}
    return [{**around, **row} for row in inner]


def event_of(row: Mapping[str, Any]) -> Event:
    """The event in one row. Raises MalformedDelivery."""
    known = _load(row)
    name, status = known["id"], known["status"]
    if status == "failed":
        # What else stands there is the last frame's: only the status and the error are changed by a failure.
        return Event(EventKind.FAILED, name, None, _extra(known), error_of(known.get("error")))
    if status == "completed":
        return Event(EventKind.SUCCEEDED, name, known.get("progress"), {**_result(known), **(_extra(known) or {})})
    if status in _NOT_BEGUN:
        return Event(EventKind.ACCEPTED, name, None, _extra(known))
    preview = {"preview_url": known["url"]} if known.get("url") else {}
    return Event(EventKind.PROGRESSED, name, known.get("progress"), {**preview, **(_extra(known) or {})} or None)


def error_of(text: str | None) -> TaskError:
    """The reason of a failure, with a code of ours, as the provider has none."""
    if not text or not text.strip():
        return TaskError("failed", "the provider gave no reason")
    code = next((code for pattern, code in _REASONS if pattern.match(text)), "failed")
    return TaskError(code, text)


def id_of(row: Mapping[str, Any]) -> str | None:
    """The row's id, whatever else is wrong with the row."""
    try:
        return external_id(row.get("id")) or None
    except ValidationError:
        return None


def _load(row: Mapping[str, Any]) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = _SCHEMA.load(row)
    except ValidationError as error:
        raise _malformed({str(key): sentences(value) for key, value in error.messages_dict.items()}) from error
    known = {key: value for key, value in loaded.items() if value is not None}
    missing = {key: ["is missing"] for key in ("id", "status") if not known.get(key)}
    if missing:
        raise _malformed(missing)
    return known


def _malformed(by_field: dict[str, list[str]]) -> MalformedDelivery:
    return MalformedDelivery(f"wrong in {', '.join(sorted(by_field))}", fields=by_field)


def _result(known: Mapping[str, Any]) -> dict[str, Any]:
    """The grid, and its four single images in image order; ``upscaled`` is in another order and is no guide."""
    singles = known.get("upscaled_urls", [])[:_QUADRANTS]
    url = known.get("url")
    return {
        "image_id": known["id"],
        **({"image_url": url, "raw_image_url": url} if url else {}),
        **({"sub_image_urls": singles} if singles else {}),
        "actions": [f"upscale{number}" for number, single in enumerate(singles, 1) if single],
    }


def _extra(known: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the provider says beyond; of a status that we do not know, the status too."""
    extra = {key: value for key, value in known.items() if key not in _MEANING}
    if known["status"] not in _NOT_BEGUN | {"in-progress", "completed", "failed"}:
        extra["status"] = known["status"]
    return {"extra": extra} if extra else None
