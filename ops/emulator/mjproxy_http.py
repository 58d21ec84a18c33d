"""How the midjourney-proxy layers read requests, recognise callers and word answers and refusals."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from flask import Response, g, request

from ops.emulator.faults import Fault
from ops.emulator.mjproxy_layers import Layer
from ops.emulator.options import Options

_STATES = {
    "expired": "该令牌已过期",
    "used_up": "该令牌额度已用尽",
    "disabled": "该令牌状态不可用",
    "mismatched": "无效的令牌",
}
_CSHARP_STATES = {"disabled": (401, "账号已禁用")}
ANYONE = "anyone"


class Rejection(Exception):
    """A submit or look-up that is refused. `gateway`: by the gateway itself, in its own shape."""

    def __init__(
        self,
        code: int,
        description: str,
        *,
        properties: Mapping[str, Any] | None = None,
        status: int = 200,
        gateway: bool = False,
    ) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.properties = dict(properties or {})
        self.status = status
        self.gateway = gateway


class Turned(Exception):
    """A request that ends with this ready answer."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


def reply(body: Any, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(_text(body), status=status, mimetype="application/json")


def submitted(layer: Layer, code: int, description: str, result: Any, properties: Mapping[str, Any]) -> Response:
    """The answer to a submit; the gateway shows no code 22, and names no content type but text."""
    if layer.name == "gateway" and code == 22:
        code = 1
    body = {"code": code, "description": description, "result": result, "properties": dict(properties)}
    return _as_sent(layer, body, 200)


def refused(layer: Layer, error: Rejection) -> Response:
    """A Rejection in the layer's shape."""
    if error.gateway:
        return gateway_error(error.code, error.description)
    body = {"code": error.code, "description": error.description, "result": None, "properties": error.properties}
    return _as_sent(layer, body, error.status)


def gateway_error(code: int, description: str, detail: str = "") -> Response:
    """The gateway's own refusal: 400, or 429 for code 30."""
    body = {"description": f"{description} {detail}", "type": "upstream_error", "code": code}
    return reply(body, 429 if code == 30 else 400)


def spoilt(layer: Layer, fault: Fault) -> Response:
    """An ordered fault. Its `code` goes into the body; a status of 200 makes it a business error."""
    code = int(fault.code) if fault.code is not None else 9
    description = fault.message or "提交失败，系统异常"
    if layer.name == "gateway" and fault.status >= 400:
        return reply({"description": f"{description} ", "type": "upstream_error", "code": code}, fault.status)
    return reply({"code": code, "description": description, "result": None, "properties": {}}, fault.status)


def unknown_path(layer: Layer) -> Response:
    """A path or method the layer doesn't have."""
    if layer.name == "csharp":
        return Response(status=404)
    if layer.name == "gateway":
        message = f"Invalid URL ({request.method} {request.path})"
        return reply({"error": {"message": message, "type": "invalid_request_error", "param": "", "code": ""}}, 404)
    return reply({"status": 404, "error": "Not Found", "path": request.path}, 404)


def json_body(layer: Layer) -> dict[str, Any]:
    """The request's JSON object."""
    try:
        body = json.loads(request.get_data())
    except ValueError:
        body = None
    if isinstance(body, dict):
        return body
    raise unreadable(layer)


def unreadable(layer: Layer) -> Turned | Rejection:
    """What a body that is no JSON object, or has a wrong type in it, meets with."""
    if layer.name == "gateway":
        return Rejection(4, "bind_request_body_failed", gateway=True)
    body = {"status": 400, "error": "Bad Request", "path": request.path}
    if layer.name == "csharp":
        body = {"title": "One or more validation errors occurred.", "status": 400}
    return Turned(reply(body, 400))


def caller(options: Options, layer: Layer) -> str:
    """The name of the caller's token; Turned when the layer lets nobody in with it."""
    secret = _secret(layer)
    if not options.tokens:
        if layer.name != "gateway" or secret:
            return f"any-{sha256(secret.encode()).hexdigest()[:8]}" if secret else ANYONE
        raise Turned(_stranger(layer, missing=True))
    known = (name for name, good in options.tokens if hmac.compare_digest(good.encode(), secret.encode()))
    name = next(known, None)
    if name is None:
        raise Turned(_stranger(layer, missing=not secret))
    trouble = dict(options.token_states).get(name)
    if trouble:
        raise Turned(_troubled(layer, trouble))
    return name


def _secret(layer: Layer) -> str:
    authorization = request.headers.get("Authorization", "")
    secret = request.headers.get("mj-api-secret", "")
    if layer.name == "csharp":
        return authorization or secret  # as it stands: no "Bearer " is taken off
    if layer.name != "gateway":
        return secret
    return (authorization or secret).removeprefix("Bearer ").strip()


def _stranger(layer: Layer, *, missing: bool) -> Response:
    if layer.name == "gateway":
        return _openai_error("未提供令牌" if missing else "无效的令牌")
    if layer.name == "csharp":
        return _plain("Authorization header missing.", 401) if missing else _plain("未登录", 403)
    return Response(status=401)


def _troubled(layer: Layer, trouble: str) -> Response:
    if layer.name == "gateway":
        return _openai_error(_STATES[trouble])
    if layer.name == "csharp":
        status, text = _CSHARP_STATES.get(trouble, (403, "账号不可用"))
        return _plain(text, status)
    return Response(status=401)


def _openai_error(message: str) -> Response:
    return reply({"error": {"message": f"{message} (request id: {g.trace_id})", "type": "new_api_error"}}, 401)


def _plain(text: str, status: int) -> Response:
    return Response(text, status=status, mimetype="text/plain")


def _as_sent(layer: Layer, body: dict[str, Any], status: int) -> Response:
    if layer.name == "gateway":
        return Response(_text(body), status=status, mimetype="text/plain")
    return reply(body, status)


def _text(body: Any) -> str:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False)
