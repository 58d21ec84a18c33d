"""How AceData is called: always a POST of JSON with a bearer token."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from orchestrator.config import Account
from orchestrator.providers.http import MAX_ANSWER, Request

JSON = "application/json"
NDJSON = "application/x-ndjson"


def call(
    account: Account,
    path: str,
    body: Mapping[str, Any],
    *,
    timeout: float,
    accept: str = JSON,
    limit: int = MAX_ANSWER,
) -> Request:
    """The request. timeout: seconds of silence, and of waiting in all."""
    return Request(
        method="POST",
        url=f"{account.base_url}{path}",
        headers={"Accept": accept, "Content-Type": JSON, "Authorization": f"Bearer {account.token}"},
        body=json.dumps(body, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace"),
        timeout=timeout,
        limit=limit,
    )
