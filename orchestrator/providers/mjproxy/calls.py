"""How midjourney-proxy is called: JSON, and one of two headers with the token."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from orchestrator.config import Account
from orchestrator.providers.http import MAX_ANSWER, Request

_JSON = "application/json"
_BEARER = "bearer "


def call(
    account: Account,
    path: str,
    body: Mapping[str, Any] | None = None,
    *,
    timeout: float,
    limit: int = MAX_ANSWER,
) -> Request:
    """A POST of ``body``, or a GET without one. timeout: seconds of silence, and of waiting in all."""
    return Request(
        method="GET" if body is None else "POST",
        url=f"{account.base_url.removesuffix('/mj')}{path}",
        headers={"Accept": _JSON, **({} if body is None else {"Content-Type": _JSON}), **_credentials(account.token)},
        body=None if body is None else json.dumps(body, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace"),
        timeout=timeout,
        limit=limit,
    )


def _credentials(token: str) -> dict[str, str]:
    """Every layer takes mj-api-secret, the gateways too. One reads Authorization first and word for word, so both
    together would be wrong there; a token that is configured with its scheme goes into Authorization alone.
    """
    if token.lower().startswith(_BEARER):
        return {"Authorization": token}
    return {"mj-api-secret": token} if token else {}
