"""Stop 1 of the path: bytes in, verdict out. What a stranger sends never makes a 5xx."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import RequestEntityTooLarge

from orchestrator.core.states import Verdict
from orchestrator.core.tokens import is_of_task
from orchestrator.errors import Incomplete, TooLarge
from orchestrator.intake import Spooled, take_callback
from orchestrator.services import Services


def blueprint(services: Services) -> Blueprint:
    """The receiver's one route, for these services."""
    receiver = Blueprint("receiver", __name__)

    @receiver.post("/callbacks/<account>/<token>", strict_slashes=False)
    def callback(account: str, token: str) -> tuple[Response, int]:
        taken = take_callback(services, account, token, lambda: _body(services, token), request.content_type)
        if isinstance(taken, Spooled):
            return jsonify({"verdict": "spooled"}), 202
        answer: dict[str, Any] = {"verdict": taken.verdict.value}
        if taken.reason:
            answer["reason"] = taken.reason
        return jsonify(answer), 202 if taken.verdict is Verdict.PARKED else 200

    return receiver


def _body(services: Services, token: str) -> bytes:
    """The body, whole and within the limit, whatever length was announced. The token was found to be ours."""
    limit = services.config.max_body
    # A body that comes in chunks is cut at this length without a word; the byte more is how it is noticed.
    request.max_content_length = limit + 1
    peer, port = request.remote_addr or "", int(request.environ.get("SERVER_PORT") or 0)
    try:
        with services.bodies.reading(token, strict=is_of_task(token), peer=peer, port=port):
            body = request.get_data(cache=False)
    except RequestEntityTooLarge as error:
        raise TooLarge(f"the body is over {limit} bytes") from error
    if len(body) > limit:
        raise TooLarge(f"the body is over {limit} bytes")
    if len(body) < (request.content_length or 0):
        raise Incomplete
    return body
