"""Opens runs as a careful client does: with an Idempotency-Key, asking again while the service is away."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import urllib3

PIPELINE = {
    "pipeline": "chaos",
    "inputs": {"prompt": {"type": "string", "required": True}},
    "steps": {
        "grid": {"action": "imagine", "with": {"prompt": "${inputs.prompt}"}},
        "best": {"choose": "quadrant", "of": "grid", "by": 1},
        "single": {"action": "upscale", "of": "best"},
        "large": {"action": "upscale_4x", "of": "single"},
        "keep": {"archive": "large"},
    },
}
JOBS = 3  # that one run of it pays for


class Refused(RuntimeError):
    """The service answered what no repetition mends; the message is its answer."""


class Orders:
    """The client. ``over`` tells it to give up; the ``accounts`` take turns."""

    def __init__(self, url: str, token: str, accounts: Sequence[str], over: Callable[[], bool]) -> None:
        self._url = url
        self._accounts = accounts
        self._over = over
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._http = urllib3.PoolManager(retries=False, timeout=10.0)
        self.repeated = 0  # requests without an answer, or answered 5xx

    def define(self) -> None:
        """Store the pipeline. Raises Refused, TimeoutError."""
        self._insist("PUT", "/v1/pipelines/chaos", PIPELINE | {"account": self._accounts[0]}, {})

    def open(self, number: int) -> str:
        """Open the run of this number; its id. Raises Refused, TimeoutError."""
        account = self._accounts[number % len(self._accounts)]
        order = {"pipeline": "chaos", "inputs": {"prompt": f"picture {number}"}, "account": account}
        return str(self._insist("POST", "/v1/runs", order, {"Idempotency-Key": f"chaos-{number}"})["id"])

    def _insist(self, method: str, path: str, body: Any, more: dict[str, str]) -> dict[str, Any]:
        while not self._over():
            answer = self._try(method, path, body, more)
            if answer is not None:
                return answer
            self.repeated += 1
            time.sleep(0.2)  # between two tries
        raise TimeoutError(f"{method} {path} had no answer in time")

    def _try(self, method: str, path: str, body: Any, more: dict[str, str]) -> dict[str, Any] | None:
        try:
            answer = self._http.request(method, self._url + path, body=json.dumps(body), headers=self._headers | more)
        except urllib3.exceptions.HTTPError:
            return None
        if answer.status >= 500 or answer.status == 429:
            return None
        if answer.status >= 300:
            raise Refused(f"{method} {path}: {answer.status} {answer.data[:300]!r}")
        found: dict[str, Any] = answer.json()
        return found
