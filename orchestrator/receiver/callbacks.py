"""Stop 1 of the path: bytes in, verdict out. What a stranger sends never makes a 5xx."""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import RequestEntityTooLarge

from orchestrator.bodies import HALF
from orchestrator.core.states import Verdict
from orchestrator.core.tokens import is_of_task
from orchestrator.errors import Incomplete, TooLarge
from orchestrator.intake.deliveries import Spooled, take_callback
from orchestrator.limits import Meter
from orchestrator.services import Services


def blueprint(services: Services) -> Blueprint:
    """The receiver's one route, for these services."""
    receiver = Blueprint("receiver", __name__)

    door = Door(services)

    @receiver.post("/callbacks/<account>/<token>", strict_slashes=False)
    def callback(account: str, token: str) -> tuple[Response, int]:
        taken = take_callback(services, account, token, partial(door.read, account, token), request.content_type)
        if isinstance(taken, Spooled):
            return jsonify({"verdict": "spooled"}), 202
        answer: dict[str, Any] = {"verdict": taken.verdict.value}
        if taken.reason:
            answer["reason"] = taken.reason
        return jsonify(answer), 202 if taken.verdict is Verdict.PARKED else 200

    return receiver


class Door:
    """How often. Nobody comes here without a valid token."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._by_task = Meter("callbacks", services.config.callback_rate)
        self._by_hook = Meter("hook", services.config.hook_rate)

    def read(self, account: str, token: str) -> bytes:
        """The body. Raises TooManyRequests, SlowSender, TooLarge, Incomplete."""
        if is_of_task(token):
            self._by_task.take(token)
        else:
            self._by_hook.take(account)
        return _body(self._services, token)


def _body(services: Services, token: str) -> bytes:
    """The body, whole and within the limit, whatever length was announced. The token was found to be ours."""
    limit = services.config.max_body
    # A body that comes in chunks is cut at this length without a word; the byte more is how it is noticed.
    request.max_content_length = limit + 1
    peer, port = request.remote_addr or "", int(request.environ.get("SERVER_PORT") or 0)
    try:
        # An account's hook has all its jobs' deliveries: a few that are delayed must not have the others refused.
        bounds = {"at_once": HALF} if is_of_task(token) else {"slow": HALF}
        with services.bodies.reading(token, **bounds, peer=peer, port=port):
            body = request.get_data(cache=False)
    except RequestEntityTooLarge as error:
        raise TooLarge(f"the body is over {limit} bytes") from error
    if len(body) > limit:
        raise TooLarge(f"the body is over {limit} bytes")
    if len(body) < (request.content_length or 0):
        raise Incomplete
    return body
