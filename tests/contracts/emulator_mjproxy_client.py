"""A plain HTTP client of the emulator's midjourney-proxy dialect, for the emulator's own tests."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from emulator_support import DEADLINE, Client, Json
from PIL import Image

from ops.emulator.mjproxy_options import MjOptions
from ops.emulator.options import Options
from ops.emulator.server import start

LAYERS = ("java", "plus", "csharp", "gateway")


class MjClient(Client):
    """Speaks midjourney-proxy's HTTP, and the control API."""

    headers: Json

    def ask(self, path: str, body: Json | None = None, **headers: str) -> requests.Response:
        """POST when there is a body, GET otherwise."""
        method = "GET" if body is None else "POST"
        return requests.request(
            method, self.url + path, json=body, headers={**self.headers, **headers}, timeout=DEADLINE
        )

    def submit(self, kind: str, **body: Any) -> Json:
        """The JSON answer to /mj/submit/<kind>, whatever its type is said to be."""
        answer: Json = self.ask(f"/mj/submit/{kind}", body).json()
        self.begun(str(answer.get("result")))
        return answer

    def begun(self, task_id: str) -> None:
        """Wait until the job of that id, if there is one, is at work or in line: it begins after its answer."""
        job = self.emulator.state.book.by_task(task_id)
        deadline = time.monotonic() + DEADLINE
        while job is not None and not job.launched and job.state != "queued":
            assert time.monotonic() < deadline

    def accepted(self, kind: str, **body: Any) -> str:
        """The id of a task that was accepted, at once or in line."""
        answer = self.submit(kind, **body)
        assert answer["code"] in (1, 22), answer
        return str(answer["result"])

    def fetch(self, task_id: str) -> Json:
        facts: Json = self.ask(f"/mj/task/{task_id}/fetch").json()
        return facts

    def made(self, kind: str = "imagine", **body: Any) -> Json:
        """The task object of a submit that succeeds; with `instant`."""
        if kind == "imagine":
            body = {"prompt": "a quiet lake", **body}
        return self.done(self.accepted(kind, **body))

    def done(self, task_id: str) -> Json:
        """The task once its answer's connection has launched it."""
        for _ in range(1000):
            task = self.fetch(task_id)
            if task["status"] in ("SUCCESS", "FAILURE"):
                return task
        raise AssertionError(task)

    def pressed(self, task: Json, label: str, **body: Any) -> Json:
        """The answer to a press of the button of that label or emoji."""
        return self.submit("action", taskId=task["id"], customId=button(task, label), **body)

    def after(self, task: Json, label: str) -> Json:
        """The finished task a press leads to."""
        answer = self.pressed(task, label)
        assert answer["code"] == 1, answer
        return self.done(str(answer["result"]))

    def advance(self, seconds: float) -> None:
        """Push the clock; what falls due is done afterwards."""
        self.control("advance", {"seconds": seconds})

    def picture(self, task: Json) -> Image.Image:
        return self.image(task["imageUrl"]).convert("RGB")


def button(task: Json, label: str) -> str:
    """The customId of the button of that label or, where it has none, emoji."""
    found: str = next(each["customId"] for each in task["buttons"] if (each["label"] or each["emoji"]) == label)
    return found


def data_url(image: Image.Image | None = None, kind: str = "PNG") -> str:
    """A picture as data URL."""
    out = io.BytesIO()
    (image or Image.new("RGB", (40, 30), "teal")).save(out, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(out.getvalue()).decode()}"


@contextmanager
def layer_of(layer: str, **settings: Any) -> Iterator[MjClient]:
    """A client of one layer; settings that begin with mj_ are the dialect's own."""
    own = {key.removeprefix("mj_"): settings.pop(key) for key in list(settings) if key.startswith("mj_")}
    options = Options(**{"image_size": 128, **settings}, mj=MjOptions(layer=layer, **own))
    with start(options) as emulator:
        client = MjClient(emulator)
        client.headers = {"Authorization": "Bearer sk-one"} if layer == "gateway" else {"mj-api-secret": "one"}
        yield client
