"""The Flask application of one engine: dialects, gallery, control, and the record of every request."""

from __future__ import annotations

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from ops.emulator.acedata import acedata
from ops.emulator.acedata_http import refusal
from ops.emulator.control import control
from ops.emulator.engine import Engine
from ops.emulator.faults import Fault
from ops.emulator.gallery import Darkroom, gallery
from ops.emulator.ids import uuid_of
from ops.emulator.imagineapi import imagineapi
from ops.emulator.imagineapi_http import spoilt as spoilt_row
from ops.emulator.imagineapi_http import spoken as rows_spoken
from ops.emulator.imagineapi_http import unknown_path as unknown_route
from ops.emulator.links import Links
from ops.emulator.mjproxy import add_mjproxy, plain_path
from ops.emulator.mjproxy_bodies import MjProxy
from ops.emulator.mjproxy_http import spoilt, unknown_path
from ops.emulator.mjproxy_layers import layer_of
from ops.emulator.submission import cut_off

_MAX_BODY = 32 * 2**20  # bytes: a mask of a big picture in base64
_CODES = {
    400: "bad_request",
    401: "invalid_token",
    403: "forbidden",
    404: "no_api",
    429: "too_many_requests",
    504: "timeout",
}


def application(engine: Engine) -> Flask:
    """Every route, on one engine."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = _MAX_BODY
    links, darkroom = Links(engine.options.seed), Darkroom()
    app.register_blueprint(acedata(engine, links))
    add_mjproxy(app, engine, MjProxy(engine, links), darkroom)
    app.register_blueprint(imagineapi(engine, darkroom))
    app.register_blueprint(gallery(engine, links, darkroom))
    app.register_blueprint(control(engine))
    app.register_error_handler(HTTPException, lambda error: _http_error(engine, error))
    app.before_request(lambda: _opened(engine))
    app.after_request(lambda response: _closed(engine, response))
    return app


def _opened(engine: Engine) -> Response | None:
    """Number the request, and spoil it if that was ordered."""
    if request.blueprint == "control":
        return None
    g.entry = engine.journal.opened(request.method, request.path)
    g.trace_id = g.entry["trace_id"] = uuid_of(engine.options.seed, "trace", g.entry["n"])
    fault = engine.faults.take(request.path) or engine.faults.take(plain_path(request.path).rstrip("/"))
    return _spoilt(engine, fault) if fault else None


def _closed(engine: Engine, response: Response) -> Response:
    if "entry" in g:
        rule = request.url_rule.rule if request.url_rule else "unknown"
        engine.journal.closed(g.entry, response.status_code, rule)
    return response


def _spoilt(engine: Engine, fault: Fault) -> Response:
    if fault.cut:
        return cut_off()
    if plain_path(fault.path).startswith("/mj/"):
        response = spoilt(layer_of(engine.options.mj), fault)
    elif rows_spoken(fault.path):
        response = spoilt_row(fault)
    else:
        code = str(fault.code or _CODES.get(fault.status, "api_error"))
        response = refusal(fault.status, code, fault.message or "fetch failed")
    if fault.retry_after is not None:
        response.headers["Retry-After"] = f"{fault.retry_after:g}"
    return response


def _http_error(engine: Engine, error: HTTPException) -> Response:
    """A path or method nobody serves, or a body too big, in the service's words."""
    if "trace_id" not in g:
        return Response(str(error), status=error.code, mimetype="text/plain")
    if plain_path(request.path).startswith("/mj/"):
        return unknown_path(layer_of(engine.options.mj)) if error.code in (404, 405) else Response(status=error.code)
    if rows_spoken(request.path):
        return unknown_route()
    if error.code in (404, 405):
        return refusal(404, "no_api", f"No API is registered at {request.method} {request.path}.")
    return refusal(error.code or 500, "bad_request", error.description or error.name)
