"""ImagineAPI: the routes of its `images` and `status` collections and of its files."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from flask import Blueprint, Response, g, request

from ops.emulator.access import token_name
from ops.emulator.engine import Engine
from ops.emulator.gallery import Darkroom
from ops.emulator.imagineapi_files import file_of
from ops.emulator.imagineapi_http import Rejection, forbidden, json_body, refused, reply, turned_away
from ops.emulator.imagineapi_orders import Asked, bankrupt, checked, read_order
from ops.emulator.imagineapi_queries import chosen, listing
from ops.emulator.imagineapi_rows import Rows
from ops.emulator.imagineapi_webhooks import Webhooks
from ops.emulator.jobs import Job, Order
from ops.emulator.refusals import Refusal
from ops.emulator.submission import GATEWAY_PAGE, at_once


def imagineapi(engine: Engine, darkroom: Darkroom) -> Blueprint:
    """Every route, with and without a slash at its end."""
    routes = Blueprint("imagineapi", __name__)
    routes.register_error_handler(Rejection, refused)
    routes.register_error_handler(Refusal, turned_away)
    rows = Rows(engine)
    engine.on_reset(rows.clear)
    webhooks = Webhooks(engine, rows)

    @routes.before_request
    def authorise() -> None:
        if request.path.startswith("/items"):
            query = request.args.get("access_token")
            header = f"Bearer {query}" if query else request.headers.get("Authorization")
            g.token = g.entry["token"] = token_name(engine.options, header)

    _add_creation(routes, engine, rows, webhooks)
    _add_reading(routes, engine, rows)
    _add_changes(routes, rows, webhooks)
    _add_files(routes, engine, darkroom)
    return routes


def _add_creation(routes: Blueprint, engine: Engine, rows: Rows, webhooks: Webhooks) -> None:
    @routes.post("/items/images", strict_slashes=False)
    def create() -> Response:
        return _unlucky(engine) or _create(engine, rows, webhooks)


def _add_reading(routes: Blueprint, engine: Engine, rows: Rows) -> None:
    @routes.get("/items/images", strict_slashes=False)
    def read_all() -> Response:
        return reply(listing([rows.body(job) for job in rows.own(g.token)], request.args, rows.fields))

    @routes.get("/items/images/<name>", strict_slashes=False)
    def read_one(name: str) -> Response:
        return reply({"data": chosen(rows.body(_job(rows, name)), request.args, rows.fields)})

    @routes.get("/items/status", strict_slashes=False)
    def status() -> Response:
        return reply({"data": {"id": 1, "bot_status": engine.options.imagineapi.bot_status, "message": None}})

    @routes.route("/items/<collection>", methods=["GET", "POST"], strict_slashes=False)
    @routes.route("/items/<collection>/<name>", methods=["GET", "PATCH", "DELETE"], strict_slashes=False)
    def other(collection: str, name: str | None = None) -> Response:
        del collection, name
        raise forbidden()


def _add_changes(routes: Blueprint, rows: Rows, webhooks: Webhooks) -> None:
    @routes.patch("/items/images/<name>", strict_slashes=False)
    def patch(name: str) -> Response:
        job, wish = _job(rows, name), checked(json_body(), {"prompt"})
        rows.reword(job, wish["prompt"])
        webhooks.updated(job)
        return reply({"data": rows.body(job)})

    @routes.delete("/items/images/<name>", strict_slashes=False)
    def delete(name: str) -> Response:
        if not rows.delete(_job(rows, name)):
            raise forbidden()
        return Response(status=204)


def _add_files(routes: Blueprint, engine: Engine, darkroom: Darkroom) -> None:
    @routes.get("/assets/<name>")
    @routes.get("/assets/<name>/<path:label>")
    def asset(name: str, label: str = "") -> Response:
        del label  # a name to save the file under, nothing more
        file = file_of(engine.options.seed, name)
        job = engine.book.by_ordinal(file.ordinal) if file else None
        if file is None or job is None or not (job.frame >= file.frame if file.frame else job.state == "finished"):
            raise forbidden()
        data = darkroom.file(job, part=file.part, frame=file.frame, size=None)
        return Response(data, mimetype=f"image/{file.suffix}")


def _job(rows: Rows, name: str) -> Job:
    job = rows.find(g.token, name)
    if job is None:
        raise forbidden()
    return job


def _create(engine: Engine, rows: Rows, webhooks: Webhooks) -> Response:
    """One row for an object, several for an array: all of them or none."""
    body = json_body()
    items: list[Any] = body if isinstance(body, list) else [body]
    base_url = (engine.options.public_url or request.host_url).rstrip("/")
    asked = [Asked(g.token, base_url, g.trace_id, f"{g.trace_id} {place}") for place in range(len(items))]
    orders = [read_order(item, one, engine, rows) for item, one in zip(items, asked, strict=True)]
    _check_demo(engine, rows, len(orders))
    jobs = [_accepted(engine, order) for order in orders]
    data = [rows.body(job) for job in jobs]
    g.entry |= {"action": "generate", "task_id": jobs[0].task_id if jobs else None}
    answer = reply({"data": data if isinstance(body, list) else data[0]})
    for job in jobs:
        answer = _answered(engine, job, webhooks, answer)
    return answer


def _check_demo(engine: Engine, rows: Rows, more: int) -> None:
    limit = engine.options.imagineapi.images
    if limit is not None and sum(1 for _ in rows.own(g.token)) + more > limit:
        raise Rejection(429, "IMAGE_ERROR", "Cannot create more images")


def _accepted(engine: Engine, order: Order) -> Job:
    """A row exists even without credit: it fails when the bot finds out."""
    try:
        return engine.accept(order)
    except Refusal as refusal:
        if refusal.reason != "used_up":
            raise
    return engine.accept(replace(order, **bankrupt(order)))


def _answered(engine: Engine, job: Job, webhooks: Webhooks, answer: Response) -> Response:
    chaos = engine.chaos
    if chaos.strikes("early", job.ordinal) or chaos.strikes("submit_timeout", job.ordinal):
        webhooks.created(job)
    else:
        answer.call_on_close(partial(webhooks.created, job))
    return at_once(engine, job, answer)


def _unlucky(engine: Engine) -> Response | None:
    """Refusals by chaos, before any row exists."""
    n, chaos = g.entry["n"], engine.chaos
    if chaos.strikes("rate_limit", n):
        return refused(Rejection(429, "REQUESTS_EXCEEDED", "Too many requests, retry after 1s."))
    if not chaos.strikes("submit_5xx", n):
        return None
    match int(chaos.share("status", n) * 3):
        case 0:
            return refused(Rejection(500, "INTERNAL_SERVER_ERROR", "An unexpected error occurred."))
        case 1:
            return Response(GATEWAY_PAGE.format("502 Bad Gateway"), status=502, mimetype="text/html")
        case _:
            return refused(Rejection(503, "SERVICE_UNAVAILABLE", 'Service "api" is unavailable.'))
