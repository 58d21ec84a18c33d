"""A group of routes: the typed border to flask-smorest, and the order of a request: role, arguments, view, answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from http import HTTPStatus
from typing import Any, TypeVar

import flask_smorest
from flask import request
from marshmallow import Schema

from orchestrator.api.access import require
from orchestrator.api.reading import Parser, refuse_parameters
from orchestrator.config import Role

View = TypeVar("View", bound=Callable[..., Any])


class Section:
    """The routes of one thing under /v1. A view takes its query or body first, then the path's parts by name."""

    def __init__(self, name: str, description: str) -> None:
        self.blueprint = flask_smorest.Blueprint(name, __name__, url_prefix="/v1", description=description)
        self.blueprint.ARGUMENTS_PARSER = Parser()

    def route(
        self,
        method: str,
        path: str,
        *,
        role: Role,
        answer: Schema,
        status: int = 200,
        query: Schema | None = None,
        body: Schema | None = None,
        body_required: bool = True,
        also: Mapping[int, str] | None = None,
        refuses: Iterable[int] = (),
        media_type: str | None = None,
        doc: Mapping[str, Any] | None = None,
    ) -> Callable[[View], View]:
        """Register a view. also: further good answers of the same shape; refuses: statuses of its refusals."""

        def register(view: View) -> View:
            handler: Any = view
            if query is not None:
                handler = self.blueprint.arguments(query, location="query")(handler)
            if body is not None:
                handler = self.blueprint.arguments(body, location="json", required=body_required)(handler)
            handler = self.blueprint.response(status, answer, content_type=media_type)(handler)
            for other, description in (also or {}).items():
                handler = self.blueprint.alt_response(other, schema=answer, description=description, success=True)(
                    handler
                )
            for refusal in sorted({401, 403, 422, 429, 503, *refuses}):
                handler = self.blueprint.alt_response(refusal, HTTPStatus(refusal).name)(handler)
            described = {"operationId": view.__name__, "security": [{"bearer": []}], "x-role": role, **(doc or {})}
            handler = self.blueprint.doc(**described)(handler)
            self.blueprint.route(path, methods=[method])(_guarded(role, handler, query))
            return view

        return register


def _guarded(role: Role, handler: Any, query: Schema | None) -> Any:
    @wraps(handler)
    def guard(*arguments: Any, **parts: Any) -> Any:
        require(role)
        if query is None:
            refuse_parameters(request)
        return handler(*arguments, **parts)

    return guard
