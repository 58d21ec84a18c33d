"""A plain HTTP client of the emulator's ImagineAPI, for the emulator's own tests."""

from __future__ import annotations

import time
from typing import Any

import requests
from emulator_support import DEADLINE, Client, Json

FIELDS = ["id", "prompt", "results", "user_created", "date_created", "status", "progress", "url", "error"]
FIELDS += ["upscaled_urls", "upscaled", "ref"]


class Rows:
    """Speaks ImagineAPI's HTTP, nothing else."""

    def __init__(self, client: Client, token: str | None = "secret") -> None:
        self.client = client
        self.token = token

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        url = f"{self.client.url}{path}"
        return requests.request(method, url, headers=headers, timeout=DEADLINE, allow_redirects=False, **more)

    def create(self, prompt: str = "a quiet lake", **more: Any) -> Json:
        answer = self.ask("POST", "/items/images/", json={"prompt": prompt, **more})
        assert answer.status_code == 200, answer.text
        row: Json = answer.json()["data"]
        return row

    def get(self, row: Json, **query: str) -> Json:
        answer = self.ask("GET", f"/items/images/{row['id']}", params=query)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()["data"]
        return found

    def ended(self, row: Json) -> Json:
        """The row when its job has ended, which it does by itself."""
        deadline = time.monotonic() + DEADLINE
        while (now := self.get(row))["status"] not in ("completed", "failed"):
            assert time.monotonic() < deadline, now
        return now

    def found(self, query: str = "") -> list[Json]:
        answer = self.ask("GET", f"/items/images?{query}")
        assert answer.status_code == 200, answer.text
        rows: list[Json] = answer.json()["data"]
        return rows


def refusal(answer: requests.Response) -> tuple[int, str]:
    (error,) = answer.json()["errors"]
    assert error["message"]
    return answer.status_code, error["extensions"]["code"]
