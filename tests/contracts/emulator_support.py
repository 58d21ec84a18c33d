"""A plain HTTP client of the emulator and an inbox for its callbacks, for the emulator's own tests."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests
from PIL import Image

from ops.emulator.options import Options
from ops.emulator.server import Emulator, start

DEADLINE = 10.0  # seconds for anything to be seen
SLOW = 3600.0  # a latency that never ends by itself: tests push the clock
Json = dict[str, Any]


class Inbox:
    """Receives callbacks and remembers (path, raw body) of each, in order of arrival."""

    def __init__(self) -> None:
        self.status = 204
        self.letters: list[tuple[str, bytes]] = []
        self._arrived = threading.Condition()
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                inbox._take(self.path, self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(inbox.status)
                self.send_header("Location", "/redirected")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/callbacks"

    def _take(self, path: str, body: bytes) -> None:
        with self._arrived:
            self.letters.append((path, body))
            self._arrived.notify_all()

    def wait(self, count: int) -> list[Json]:
        """The bodies of the first `count` letters, as JSON."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.letters) >= count, DEADLINE), self.letters
            return [json.loads(body) for _, body in self.letters[:count]]

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Client:
    """Speaks AceData's HTTP, nothing else."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.url = emulator.url

    def post(self, path: str, body: Json, *, token: str | None = "secret", accept: str = "application/json") -> Any:
        headers = {"Accept": accept} | ({"Authorization": f"Bearer {token}"} if token else {})
        return requests.post(self.url + path, json=body, headers=headers, timeout=DEADLINE)

    def imagine(self, **body: Any) -> Any:
        return self.post("/midjourney/imagine", body)

    def made(self, **body: Any) -> Json:
        """The result of a long synchronous request that succeeds."""
        answer = self.imagine(**body)
        assert answer.status_code == 200, answer.text
        result: Json = answer.json()
        return result

    def lines(self, **body: Any) -> list[Json]:
        answer = self.post("/midjourney/imagine", body, accept="application/x-ndjson")
        assert answer.headers["Content-Type"] == "application/x-ndjson"
        return [json.loads(line) for line in answer.iter_lines()]

    def task(self, **body: Any) -> Json:
        facts: Json = self.post("/midjourney/tasks", {"action": "retrieve", **body}).json()
        return facts

    def control(self, path: str, body: Json | None = None) -> Json:
        answer = requests.post(f"{self.url}/_emulator/{path}", json=body or {}, timeout=DEADLINE)
        assert answer.status_code == 200, answer.text
        facts: Json = answer.json()
        return facts

    def view(self, path: str) -> Json:
        facts: Json = requests.get(f"{self.url}/_emulator/{path}", timeout=DEADLINE).json()
        return facts

    def settle(self) -> None:
        """Wait until no callback is under way: a receiver has its own before it is on record."""
        deadline = time.monotonic() + DEADLINE
        while self.view("stats")["callbacks_waiting"]:
            assert time.monotonic() < deadline

    def image(self, url: str) -> Image.Image:
        answer = requests.get(url, timeout=DEADLINE)
        assert answer.status_code == 200, answer.text
        return Image.open(io.BytesIO(answer.content))


def error_of(answer: Any) -> tuple[int, str]:
    """(status, code) of a refusal, which always has a message and a trace id."""
    body = answer.json()
    assert body["error"]["message"]
    assert body["trace_id"]
    return answer.status_code, body["error"]["code"]


@contextmanager
def emulating(**settings: Any) -> Iterator[Client]:
    """A client of an emulator with small pictures; everything has ended afterwards."""
    with start(Options(**{"image_size": 128, **settings})) as emulator:
        yield Client(emulator)
