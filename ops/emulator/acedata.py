"""AceData's POST /midjourney/imagine, edits and videos, with their four ways to wait for a result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from flask import Blueprint, Response, g, request

from ops.emulator.access import token_name
from ops.emulator.acedata_bodies import AceData
from ops.emulator.acedata_edits import Edited, read_edit
from ops.emulator.acedata_http import STATUSES, json_body, refusal, refused, reply, text_of
from ops.emulator.acedata_lookups import add_lookups
from ops.emulator.acedata_orders import Asked, patience, read_order
from ops.emulator.acedata_videos import Filmed, add_video_files, read_video
from ops.emulator.acedata_words import add_words
from ops.emulator.engine import Engine, Listener
from ops.emulator.jobs import Job, Order
from ops.emulator.links import Links
from ops.emulator.refusals import Refusal
from ops.emulator.submission import GATEWAY_PAGE, ambiguous, at_once


def acedata(engine: Engine, links: Links) -> Blueprint:
    """The routes of image generation and task look-up."""
    dialect = AceData(engine, links)
    routes = Blueprint("acedata", __name__, url_prefix="/midjourney")
    routes.register_error_handler(Refusal, lambda error: refused(engine, error))

    @routes.before_request
    def authorise() -> None:
        if request.method == "POST":
            g.token = g.entry["token"] = token_name(engine.options, request.headers.get("Authorization"))

    @routes.post("/imagine")
    def imagine() -> Response:
        return _unlucky(engine) or _submitted(engine, partial(read_order, engine=engine, dialect=dialect))

    edited, filmed = Edited(engine, links), Filmed(engine, links)

    @routes.post("/edits")
    def edit() -> Response:
        return _unlucky(engine) or _submitted(engine, partial(read_edit, engine=engine, dialect=edited))

    @routes.post("/videos")
    def video() -> Response:
        return _unlucky(engine) or _submitted(engine, partial(read_video, engine=engine, dialect=filmed))

    add_video_files(routes, engine)

    add_lookups(routes, engine)
    add_words(routes, engine)
    return routes


def _unlucky(engine: Engine) -> Response | None:
    """Refusals by chaos, before any job exists."""
    n, chaos = g.entry["n"], engine.chaos
    if chaos.strikes("rate_limit", n):
        return refusal(429, "rate_limited", "Rate limit exceeded.")
    if not chaos.strikes("submit_5xx", n):
        return None
    match int(chaos.share("status", n) * 3):
        case 0:
            return refusal(500, "api_error", "fetch failed")
        case 1:
            return Response(GATEWAY_PAGE.format("502 Bad Gateway"), status=502, mimetype="text/html")
        case _:
            return Response(
                GATEWAY_PAGE.format("503 Service Temporarily Unavailable"), status=503, mimetype="text/html"
            )


def _submitted(engine: Engine, read: Callable[[dict[str, Any], Asked], Order]) -> Response:
    body = json_body()
    streams = "application/x-ndjson" in request.headers.get("Accept", "")
    base_url = (engine.options.public_url or request.host_url).rstrip("/")
    g.entry |= {"action": body.get("action"), "callback_url": body.get("callback_url")}
    limit = patience(body)
    order = read(body, Asked(g.token, g.trace_id, base_url, streams))
    job = engine.accept(order)
    g.entry["task_id"] = job.task_id
    if order.callback_url or body.get("async") is True:
        return at_once(engine, job, reply({"task_id": job.task_id}))
    if engine.chaos.strikes("submit_timeout", job.ordinal):
        return ambiguous(engine, job, reply({"task_id": job.task_id}))
    return _stream(engine, job, limit) if streams else _in_time(engine, job, limit)


def _in_time(engine: Engine, job: Job, limit: float) -> Response:
    """The long synchronous answer."""
    engine.launch(job)
    with engine.listening(job, limit) as events:
        while (body := events.get()) is not None:
            if _is_last(body):
                return _final(job, body)
    return refusal(504, "timeout", "Timeout to generate the image.")


def _final(job: Job, body: dict[str, Any]) -> Response:
    if body["success"]:
        return reply(body)
    reason = job.order.error[0] if job.order.error else "api_error"
    return reply(body, STATUSES[reason][0])


def _stream(engine: Engine, job: Job, limit: float) -> Response:
    """One line per frame; an error before the first line is a plain HTTP error."""
    watch = engine.listening(job, limit)
    events = watch.__enter__()
    engine.launch(job)
    first = events.get()
    if first is None or not first["success"]:
        watch.__exit__(None, None, None)
        return _final(job, first) if first else refusal(504, "timeout", "Timeout to generate the image.")
    answer = Response(_lines(job, first, events), mimetype="application/x-ndjson")
    answer.call_on_close(lambda: watch.__exit__(None, None, None))
    return answer


def _lines(job: Job, first: dict[str, Any], events: Listener) -> Iterator[str]:
    body: dict[str, Any] | None = first
    while body is not None:
        yield text_of(body) + "\n"
        if _is_last(body):
            return
        body = events.get()
    yield text_of(job.order.dialect.contrary(job)) + "\n"  # out of time in mid-stream


def _is_last(body: dict[str, Any]) -> bool:
    return not body["success"] or body["progress"] == 100
