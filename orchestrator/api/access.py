"""Who may do what: bearer tokens of three roles, each of which includes the one before it."""

from __future__ import annotations

import hmac

import structlog
from flask import Response, g, request

from orchestrator.api import here
from orchestrator.api.here import services
from orchestrator.config import ROLES, ApiToken, Role
from orchestrator.config.api_tokens import digest
from orchestrator.errors import Forbidden, Unauthorized

log = structlog.get_logger(__name__)


def require(role: Role) -> None:
    """Let the request pass if its token has the role. Raises Unauthorized, TooManyRequests, Forbidden."""
    token = _token()
    g.standing = here.meter().take(token.name)
    if ROLES.index(token.role) < ROLES.index(role):
        raise Forbidden(f"this needs the role {role}; the token {token.name!r} has the role {token.role}")
    if role != "viewer":
        log.info("api", by=token.name, method=request.method, path=request.path)


def may(role: Role) -> bool:
    """Whether the request's token has the role. Raises Unauthorized."""
    return ROLES.index(_token().role) >= ROLES.index(role)


def caller() -> str:
    """The name of the request's token. Raises Unauthorized."""
    return _token().name


def _token() -> ApiToken:
    known = services().config.api_tokens
    if not known:
        raise Unauthorized(
            "no API token is configured: set ORCHESTRATOR_API_TOKENS to name:role:token,... "
            f"with a role of {', '.join(ROLES)} and a token of at least 16 characters"
        )
    given = request.authorization
    if given is None or given.type != "bearer" or not given.token:
        raise Unauthorized("the header `Authorization: Bearer <token>` is needed")
    shown = digest(given.token)
    # Each is compared, so that the time taken does not tell which one came near.
    found = [one for one in known if hmac.compare_digest(one.digest, shown)]
    if not found:
        raise Unauthorized("the bearer token is not known")
    return found[0]


def tell_standing(response: Response) -> Response:
    """Say in the answer how the token stands to its rate."""
    standing = g.get("standing")
    if standing is not None:
        response.headers.update(here.meter().headers(standing))
    return response
