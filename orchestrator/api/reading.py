"""How a request's query and body become checked values; what does not fit is an InvalidInput that names the field."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

from flask import Request
from marshmallow import RAISE, Schema, ValidationError
from webargs.core import missing
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, UnsupportedMediaType

from orchestrator.api.here import services
from orchestrator.errors import Incomplete, InvalidInput, TooLarge

DEEPEST = 64  # levels, as of a delivery


class Parser(FlaskParser):
    """webargs, with unknown query parameters refused and JSON read strictly."""

    DEFAULT_UNKNOWN_BY_LOCATION = {**FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION, "query": RAISE}  # noqa: RUF012 - its way

    def load_json(self, req: Request, schema: Schema) -> Any:  # noqa: ARG002 - webargs' signature
        return read_json(req)

    def handle_error(
        self,
        error: ValidationError,
        req: Request,  # noqa: ARG002 - webargs' signature
        schema: Schema,
        **_: Any,
    ) -> NoReturn:
        fields = _flat(error.messages)
        for name, sentences in fields.items():
            if sentences == ["Unknown field."]:
                allowed = (field.data_key or key for key, field in schema.load_fields.items())
                fields[name] = [f"unknown; allowed: {', '.join(allowed)}"]
        lines = "; ".join(f"{name}: {said[0]}" for name, said in fields.items())
        raise InvalidInput(lines, fields=fields) from error


def refuse_parameters(req: Request) -> None:
    """For a route that knows none in its query. Raises InvalidInput."""
    if req.args:
        fields = {name: ["unknown; allowed: none"] for name in req.args}
        raise InvalidInput("; ".join(f"{name}: {said[0]}" for name, said in fields.items()), fields=fields)


def read_body(req: Request) -> bytes:
    """The whole body, if it is within the limit. Raises TooLarge, Incomplete, SlowSender."""
    here = services()
    limit = here.config.max_body
    # A body that comes in chunks is cut at this length without a word; the byte more is how it is noticed.
    req.max_content_length = limit + 1
    peer, port = req.remote_addr or "", int(req.environ.get("SERVER_PORT") or 0)
    try:
        # All clients of the API count as one: the others of the server's threads are for callbacks.
        with here.bodies.reading("api", peer=peer, port=port):
            body = req.get_data()
    except RequestEntityTooLarge as error:
        raise TooLarge(f"the body is over {limit} bytes") from error
    if len(body) > limit:
        raise TooLarge(f"the body is over {limit} bytes")
    if len(body) < (req.content_length or 0):
        raise Incomplete
    return body


def read_json(req: Request) -> Any:
    """The body as JSON: no NaN, no infinity. ``missing`` when there is none."""
    body = read_body(req)
    if not body.strip():
        return missing
    if req.mimetype and not req.is_json:
        raise UnsupportedMediaType(f"found {req.mimetype}; allowed: application/json")
    try:
        found = json.loads(body, parse_constant=_no_number, parse_float=_finite)
    except ValueError as error:
        raise BadRequest(f"the body is not JSON: {error}") from error
    except RecursionError as error:
        raise BadRequest(f"the body is nested deeper than {DEEPEST} levels") from error
    if _deeper(found, DEEPEST):
        raise BadRequest(f"the body is nested deeper than {DEEPEST} levels")
    return found


def _deeper(value: Any, levels: int) -> bool:
    """Whether there are more lists and objects in one another than so many."""
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper(one, levels - 1) for one in inner)


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text} is out of range")
    return number


def _flat(messages: Any) -> dict[str, list[str]]:
    """marshmallow's tree of messages by location, as dotted names without the location."""
    found: dict[str, list[str]] = {}

    def walk(node: Any, path: tuple[str, ...]) -> None:
        if isinstance(node, Mapping):
            for key, value in node.items():
                walk(value, path if key == "_schema" else (*path, str(key)))
        else:
            # Of a list in a query each entry is the same parameter.
            name = ".".join(path[1:2] if path[0] == "query" else path[1:])
            found.setdefault(name or "body", []).extend(str(one) for one in node)

    walk(messages, ())
    return found
