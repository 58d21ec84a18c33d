"""The provider's own record of what it was paid for and what it sent, followed while it grows."""

from __future__ import annotations

import threading
from typing import Any

import urllib3

PAGE = 5_000


class Emulator:
    """The control API of an emulator at ``url``. Its log is bounded, so a thread copies it as it grows."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._http = urllib3.PoolManager(retries=urllib3.Retry(5, backoff_factor=0.2), timeout=30.0)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="emulator's log", daemon=True)
        self._callbacks: dict[int, dict[str, Any]] = {}

    def follow(self) -> None:
        """Begin to copy the log."""
        self._thread.start()

    def close(self) -> None:
        """End the copying."""
        self._over.set()
        self._thread.join()

    def jobs(self) -> list[dict[str, Any]]:
        """Every paid job."""
        return list(self._ask("jobs?limit=1000000")["items"])

    def callbacks(self) -> list[dict[str, Any]]:
        """Every callback until now, sent or not."""
        self._read()
        return list(dict(self._callbacks).values())

    def quiet(self) -> bool:
        """Whether nothing is under way."""
        stats = self._ask("stats")
        return not (stats["in_flight"] or stats["callbacks_waiting"] or stats["timers_waiting"])

    def stats(self) -> dict[str, Any]:
        """The counts of ``/_emulator/stats``."""
        return self._ask("stats")

    def _work(self) -> None:
        while not self._over.wait(2.0):
            self._read()

    def _read(self) -> None:
        while True:
            newest = max(self._callbacks, default=0)
            page = self._ask(f"callbacks?after={newest}&limit={PAGE}")["items"]
            self._callbacks.update({one["n"]: one for one in page})
            if max(self._callbacks, default=0) == newest:
                return

    def _ask(self, path: str) -> dict[str, Any]:
        found: dict[str, Any] = self._http.request("GET", f"{self._url}/_emulator/{path}").json()
        return found
