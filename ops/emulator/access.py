"""Who a bearer token belongs to."""

from __future__ import annotations

import hmac
from hashlib import sha256

from ops.emulator.options import Options
from ops.emulator.refusals import Refusal

_TROUBLES = {
    "expired": "The token has expired.",
    "disabled": "The credential is disabled.",
    "mismatched": "The token is not valid for this API.",
    "used_up": "The balance of this application is used up.",
}


def token_name(options: Options, header: str | None) -> str:
    """The name of the token in an Authorization header, never the token itself; a Refusal when it is no good."""
    scheme, _, secret = (header or "").partition(" ")
    secret = secret.strip()
    if not secret or scheme.lower() != "bearer":
        raise Refusal("no_token", "No token is specified in the Authorization header.")
    name = _known(options, secret)
    if name is None:
        raise Refusal("invalid_token", "The token is invalid.")
    trouble = dict(options.token_states).get(name)
    if trouble:
        raise Refusal(trouble, _TROUBLES[trouble])
    return name


def _known(options: Options, secret: str) -> str | None:
    if not options.tokens:
        return "any-" + sha256(secret.encode()).hexdigest()[:8]
    return next((name for name, good in options.tokens if hmac.compare_digest(good.encode(), secret.encode())), None)
