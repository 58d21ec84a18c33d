"""The midjourney-proxy dialect: its routes under /mj, with and without a mode before it."""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint, Flask, Response, g, request

from ops.emulator import mjproxy_lookups as lookups
from ops.emulator import mjproxy_works as works
from ops.emulator.engine import Engine
from ops.emulator.gallery import Darkroom
from ops.emulator.mjproxy_bodies import MjProxy
from ops.emulator.mjproxy_changes import change, simple_change
from ops.emulator.mjproxy_http import (
    Rejection,
    Turned,
    caller,
    gateway_error,
    json_body,
    refused,
    submitted,
    unknown_path,
)
from ops.emulator.mjproxy_images import Uploads
from ops.emulator.mjproxy_layers import EVERYWHERE, layer_of
from ops.emulator.mjproxy_orders import Asked, text_of
from ops.emulator.mjproxy_submits import Desk
from ops.emulator.mjproxy_windows import Windows
from ops.emulator.submission import GATEWAY_PAGE

_MODES = {"mj-fast": "FAST", "mj-relax": "RELAX", "mj-turbo": "TURBO"}
_PREFIX = re.compile(r"^/[^/]+(?=/mj/)")


def add_mjproxy(app: Flask, engine: Engine, dialect: MjProxy, darkroom: Darkroom) -> None:
    """Put the dialect's routes on the application."""
    uploads = Uploads(engine.options.seed)
    desk = Desk(engine, dialect, Windows(), uploads, layer_of(engine.options.mj))
    engine.on_reset(desk.windows.clear)
    routes = _routes(desk, darkroom)
    app.register_blueprint(routes, url_prefix="/mj")
    app.register_blueprint(routes, url_prefix="/<mode>/mj", name="mjproxy_mode")
    app.register_blueprint(uploads.routes())


def plain_path(path: str) -> str:
    """The path without a mode before /mj/."""
    return _PREFIX.sub("", path)


def _routes(desk: Desk, darkroom: Darkroom) -> Blueprint:
    routes = Blueprint("mjproxy", __name__)
    routes.register_error_handler(Rejection, lambda error: refused(desk.layer, error))
    routes.register_error_handler(Turned, lambda error: error.response)

    @routes.url_value_preprocessor
    def take_mode(endpoint: str | None, values: dict[str, Any] | None) -> None:
        del endpoint
        g.mode = (values or {}).pop("mode", None)

    @routes.before_request
    def admit() -> Response | None:
        return _admit(desk)

    _add_submits(routes, desk)
    _add_presses(routes, desk)
    _add_lookups(routes, desk)

    @routes.get("/image/<task_id>")
    def image(task_id: str) -> Response:
        return lookups.picture(desk, darkroom, task_id)

    return routes


def _admit(desk: Desk) -> Response | None:
    """404 for what the layer doesn't have, then the caller's token, then chaos."""
    endpoint = (request.endpoint or "").rpartition(".")[2]
    known = g.mode is None or g.mode in _MODES or desk.layer.name == "gateway"
    if not known or endpoint not in EVERYWHERE | desk.layer.endpoints:
        return unknown_path(desk.layer)
    if endpoint == "image":
        return None
    g.token = g.entry["token"] = caller(desk.engine.options, desk.layer)
    return _unlucky(desk) if "/submit/" in request.path or endpoint == "swap" else None


def _unlucky(desk: Desk) -> Response | None:
    """Refusals by chaos, before any job exists."""
    n, chaos, layer = g.entry["n"], desk.engine.chaos, desk.layer
    if chaos.strikes("rate_limit", n):
        return _too_many(desk)
    if not chaos.strikes("submit_5xx", n):
        return None
    match int(chaos.share("status", n) * 3):
        case 0 if layer.name == "gateway":
            return gateway_error(5, "do_request_failed")
        case 0:
            return refused(layer, Rejection(9, "提交失败，系统异常"))
        case 1:
            return Response(GATEWAY_PAGE.format("502 Bad Gateway"), status=502, mimetype="text/html")
        case _:
            return Response(
                GATEWAY_PAGE.format("503 Service Temporarily Unavailable"), status=503, mimetype="text/html"
            )


def _too_many(desk: Desk) -> Response:
    if desk.layer.name == "gateway":
        return gateway_error(30, "rate_limited", "当前分组负载已饱和，请稍后再试，或升级账户以提升服务质量。")
    if desk.layer.name == "csharp":
        return Response(status=429)
    return refused(desk.layer, Rejection(*desk.layer.full))


def _asked(desk: Desk) -> Asked:
    base_url = (desk.engine.options.public_url or request.host_url).rstrip("/")
    return Asked(g.token, g.trace_id, base_url, _MODES.get(g.mode), json_body(desk.layer))


def _add_submits(routes: Blueprint, desk: Desk) -> None:
    layer, options = desk.layer, desk.engine.options

    @routes.post("/submit/imagine")
    def imagine() -> Response:
        asked = _asked(desk)
        work = works.imagine(asked, layer, desk.uploads, options.image_size)
        return desk.submit(work, asked, desk.dialect.new_id())

    @routes.post("/submit/blend")
    def blend() -> Response:
        asked, task_id = _asked(desk), desk.dialect.new_id()
        work = works.blend(asked, layer, desk.uploads, task_id, options.image_size)
        return desk.submit(work, asked, task_id)

    @routes.post("/submit/describe")
    def describe() -> Response:
        asked, task_id = _asked(desk), desk.dialect.new_id()
        return desk.submit(works.describe(asked, layer, desk.uploads, task_id), asked, task_id)

    @routes.post("/submit/shorten")
    def shorten() -> Response:
        asked = _asked(desk)
        return desk.submit(works.shorten(asked, layer), asked, desk.dialect.new_id())

    @routes.post("/insight-face/swap")
    def swap() -> Response:
        asked = _asked(desk)
        return desk.submit(works.swap(asked, layer, options.image_size), asked, desk.dialect.new_id())

    @routes.post("/submit/upload-discord-images")
    def upload() -> Response:
        return submitted(layer, 1, "提交成功", works.upload(_asked(desk), layer, desk.uploads), {})

    @routes.post("/submit/video")
    def video() -> Response:
        raise Rejection(4, "视频功能未启用")


def _add_presses(routes: Blueprint, desk: Desk) -> None:
    @routes.post("/submit/action")
    def action() -> Response:
        asked = _asked(desk)
        task_id, custom_id = (text_of(asked.body, key, desk.layer) for key in ("taskId", "customId"))
        if not task_id or not custom_id:
            raise _incomplete(desk, custom_id)
        return desk.press(asked, lookups.parent_of(desk, task_id), custom_id)

    @routes.post("/submit/modal")
    def modal() -> Response:
        asked = _asked(desk)
        task_id = text_of(asked.body, "taskId", desk.layer)
        if not task_id:
            raise Rejection(4, "参数错误")
        lookups.parent_of(desk, task_id)
        window = desk.windows.get(task_id)
        if window is None:
            raise Rejection(4, "关联任务状态错误")  # no window, or one that was confirmed
        return desk.confirm(window, asked.body)

    @routes.post("/submit/change")
    def change_task() -> Response:
        return change(desk, _asked(desk))

    @routes.post("/submit/simple-change")
    def change_simply() -> Response:
        return simple_change(desk, _asked(desk))


def _incomplete(desk: Desk, custom_id: str) -> Rejection:
    if desk.layer.name == "gateway" and not custom_id:
        return Rejection(4, "custom_id_is_required", gateway=True)
    return Rejection(4, "参数错误")


def _add_lookups(routes: Blueprint, desk: Desk) -> None:
    @routes.get("/task/<task_id>/fetch")
    def fetch(task_id: str) -> Response:
        return lookups.fetch(desk, task_id)

    @routes.get("/task/<task_id>/image-seed")
    def seed(task_id: str) -> Response:
        return lookups.seed(desk, task_id)

    @routes.post("/task/<task_id>/cancel")
    def cancel(task_id: str) -> Response:
        return lookups.cancel(desk, task_id)

    @routes.post("/task/list-by-condition")
    def list_by_condition() -> Response:
        return lookups.several(desk, json_body(desk.layer))

    @routes.post("/task/list-by-ids")
    def list_by_ids() -> Response:
        return lookups.several(desk, json_body(desk.layer))

    @routes.get("/task/list")
    def task_list() -> Response:
        return lookups.newest(desk)

    @routes.get("/task/queue")
    def task_queue() -> Response:
        return lookups.line(desk)
