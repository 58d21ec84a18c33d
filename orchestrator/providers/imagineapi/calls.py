"""How ImagineAPI is called: Directus' REST, JSON with a bearer token, answers wrapped in ``data``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from orchestrator.config import Account
from orchestrator.providers.http import Request

IMAGES = "/items/images"
STATUS = "/items/status"
_JSON = "application/json"
_LOOK = 20.0  # seconds
_LIMIT = 8 * 1024 * 1024  # bytes of a page of rows


def creation(account: Account, body: Mapping[str, Any], *, timeout: float) -> Request:
    """The request that makes a row. timeout: seconds of silence, and of waiting in all."""
    content = json.dumps(body, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
    headers = {**_headers(account), "Content-Type": _JSON}
    return Request(method="POST", url=f"{account.base_url}{IMAGES}/", headers=headers, body=content, timeout=timeout)


def look(account: Account, path: str, query: Mapping[str, str | int]) -> Request:
    """A request that changes nothing."""
    url = f"{account.base_url}{path}" + (f"?{urlencode(query)}" if query else "")
    return Request(method="GET", url=url, headers=_headers(account), timeout=_LOOK, limit=_LIMIT)


def row_path(name: str) -> str:
    """Where one row is."""
    return f"{IMAGES}/{quote(name, safe='')}"


def _headers(account: Account) -> dict[str, str]:
    return {"Accept": _JSON, "Authorization": f"Bearer {account.token}"}
