"""The command line against a server that answers as it is told: addresses, tokens, failures, following a run."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ops.cli import following
from ops.cli.main import root

RUN_ID = "01a20090-11fc-77b3-88b7-83aa8a9477d3"
TASK_ID = "01a20090-11fc-77b3-88b7-83aa8a9477d4"
CALLBACK_ID = "01a20090-11fc-77b3-88b7-83aa8a9477d5"
TOKEN = "a-token-of-twenty-signs"
PIPELINE = 'pipeline: hero\ninputs: {prompt: {type: string, required: true}, count: integer}\nsteps:\n  grid: {action: imagine, with: {prompt: "${inputs.prompt}"}}\naccount: acedata\n'  # noqa: E501
STORED = {"name": "hero", "version": 3, "document": {"inputs": {"prompt": {"type": "string"}, "count": "integer"}}}
PROBLEM = {
    "type": "/problems/conflict",
    "title": "The state does not allow this.",
    "status": 409,
    "detail": "it is over",
}


def run_of(state: str = "running", *tasks: dict[str, Any], **more: Any) -> dict[str, Any]:
    about = {"id": RUN_ID, "pipeline": "hero", "version": 3, "state": state, "created_at": "2026-11-21T10:00:00Z"}
    return about | {"inputs": {}, "labels": {}, "tasks": list(tasks), "archive": []} | more


def task_of(state: str, **more: Any) -> dict[str, Any]:
    about = {
        "id": TASK_ID,
        "run_id": RUN_ID,
        "step": "grid",
        "item": 0,
        "attempt": 1,
        "action": "imagine",
        "kind": "provider",
    }
    return about | {"state": state, "progress": 0, "account": "acedata", "waiting_for": None} | more


class Stub(ThreadingHTTPServer):
    """Answers each ``METHOD /path`` with its list of (status, body), the last one again and again; notes what came."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, list[tuple[int, Any]]] = {}
        self.asked: list[tuple[str, dict[str, str], Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def says(self, what: str, *answers: tuple[int, Any]) -> None:
        self.answers[what] = list(answers)

    def sent(self, what: str) -> list[tuple[dict[str, str], Any]]:
        return [(headers, body) for asked, headers, body in self.asked if asked.partition("?")[0] == what]


class Handler(BaseHTTPRequestHandler):
    server: Stub

    def do(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        what = f"{self.command} {self.path}"
        self.server.asked.append((what, dict(self.headers), json.loads(data) if data else None))
        known = self.server.answers.get(what.partition("?")[0], [(404, {"title": "There is no such thing."})])
        status, body = known.pop(0) if len(known) > 1 else known[0]
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        if isinstance(body, dict) and "after" in body:
            self.send_header("Retry-After", str(body["after"]))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do  # noqa: N815 - http.server's names

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def stub() -> Iterator[Stub]:
    server = Stub()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of this machine's reaches the commands."""
    for name in [
        name for name in os.environ if name.startswith(("ORCHESTRATOR_", "ACEDATA_")) or name.endswith("_URL")
    ]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path / "home"))
    for name, seconds in {"SHORTEST": 0.01, "LONGEST": 0.02}.items():
        monkeypatch.setattr(following, name, seconds)


@pytest.fixture
def cli(stub: Stub) -> Callable[..., Result]:
    return lambda *arguments: CliRunner().invoke(root, ["--url", stub.url, "--token", TOKEN, *arguments])


# Failures ----------------------------------------------------------------------------------------------


def test_what_the_service_refuses_ends_with_2_and_its_reasons(stub: Stub, cli: Callable[..., Result]) -> None:
    stub.says(f"POST /v1/runs/{RUN_ID}/retry", (409, PROBLEM | {"errors": {"from": ["allowed: grid, keep"]}}))

    result = cli("runs", "retry", RUN_ID, "--from", "gird")

    assert result.exit_code == 2
    assert result.stderr == "error: The state does not allow this: it is over\n  from: allowed: grid, keep\n"
    assert stub.sent(f"POST /v1/runs/{RUN_ID}/retry")[0][1] == {"from": "gird"}


def test_a_missing_token_is_explained(stub: Stub, cli: Callable[..., Result]) -> None:
    stub.says("GET /v1/runs", (401, {"title": "A valid bearer token is needed."}))

    result = cli("runs", "list")

    assert result.exit_code == 2
    assert "--token or ORCHESTRATOR_TOKEN" in result.stderr
    assert TOKEN not in result.output


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((503, {"title": "The database is not reachable."}), "503: The database is not reachable."),
        ((502, b"<html>"), "502: Bad Gateway"),
        ((429, {"title": "Slowly"}), "429"),
        ((200, b"<html>"), "not as this service does"),
        ((200, {"other": 1}), "not as this service does"),
    ],
)
def test_a_service_in_trouble_ends_with_3(
    stub: Stub, cli: Callable[..., Result], answer: tuple[int, Any], told: str
) -> None:
    stub.says("GET /v1/runs", answer)

    result = cli("runs", "list")

    assert result.exit_code == 3
    assert told in result.stderr


def test_nobody_at_the_address_ends_with_3_and_says_what_to_do() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"

        result = CliRunner().invoke(root, ["runs", "list", "--url", url])

    assert result.exit_code == 3
    assert f"no answer from {url}: connection refused" in result.stderr
    assert "orchestrator up" in result.stderr


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://x.test", "http://[x"])
def test_what_is_no_address_ends_with_2(url: str) -> None:
    result = CliRunner().invoke(root, ["--url", url, "runs", "list"])
    assert result.exit_code == 2
    assert "is not an" in result.stderr


# Whose token goes where --------------------------------------------------------------------------------


def authorizations(stub: Stub) -> list[str | None]:
    return [headers.get("Authorization") for _, headers, _ in stub.asked]


def test_the_tokens_of_the_home_and_of_the_environment(
    stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.says("GET /v1/runs", (200, {"items": [], "next": None}))
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "api-token").write_text("token-of-the-home\n")
    ask = ["--url", stub.url, "runs", "list"]

    CliRunner().invoke(root, ask)
    monkeypatch.setenv(
        "ORCHESTRATOR_API_TOKENS", f"shut:admin:sha256${'0' * 64},eye:viewer:{'v' * 16},hand:admin:{'a' * 16}"
    )
    CliRunner().invoke(root, ask)
    monkeypatch.setenv("ORCHESTRATOR_TOKEN", TOKEN)
    CliRunner().invoke(root, ask)

    assert authorizations(stub) == ["Bearer token-of-the-home", f"Bearer {'a' * 16}", f"Bearer {TOKEN}"]


def test_this_machines_tokens_are_told_to_nobody_else(tmp_path: Path) -> None:
    from ops.cli.server import connect

    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "api-token").write_text("token-of-the-home\n")

    assert "Authorization" in connect("http://localhost:1", None)._headers
    assert "Authorization" not in connect("https://elsewhere.test", None)._headers


# Lists -------------------------------------------------------------------------------------------------


def test_a_list_is_followed_page_by_page(stub: Stub, cli: Callable[..., Result]) -> None:
    first, second = run_of(), run_of("failed", id="other")
    pages = (200, {"items": [first], "next": "more"}), (200, {"items": [second], "next": None})

    stub.says("GET /v1/runs", *pages)
    one = cli("runs", "list", "--label", "a=b", "--state", "running")
    stub.says("GET /v1/runs", *pages)
    both = cli("runs", "list", "--all", "--json")

    assert "--cursor more" in one.stderr
    assert f"{RUN_ID}  running  hero v3" in one.stdout
    assert json.loads(both.stdout) == {"items": [first, second], "next": None}
    assert "label=a%3Db" in stub.asked[0][0]
    assert "cursor=more" in stub.asked[2][0]


# Runs --------------------------------------------------------------------------------------------------


def test_a_run_is_opened_with_typed_inputs_and_followed(stub: Stub, cli: Callable[..., Result]) -> None:
    kept = {"uri": "file:///kept/it.png", "width": 4096, "height": 4096, "bytes": 2_500_000}
    stub.says("GET /v1/pipelines/hero", (200, STORED))
    stub.says("POST /v1/runs", (201, run_of()))
    waiting, done = task_of("waiting", waiting_for="provider"), task_of("succeeded", result={"width": 8, "height": 8})
    stub.says(
        f"GET /v1/runs/{RUN_ID}", (200, run_of("running", waiting)), (200, run_of("succeeded", done, archive=[kept]))
    )

    result = cli("run", "hero", "-i", "prompt=a fox", "-i", "count=2", "--label", "team=red", "--priority", "3")

    assert result.exit_code == 0, result.output
    body = stub.sent("POST /v1/runs")[0][1]
    assert body["inputs"] == {"prompt": "a fox", "count": 2}
    assert (body["version"], body["labels"], body["priority"]) == (3, {"team": "red"}, 3)
    assert "grid: imagine at acedata: waiting: provider" in result.stderr
    assert "archived  /kept/it.png  4096 x 4096, 2.5 MB" in result.stdout


def test_a_failed_run_ends_with_1_and_a_hint(stub: Stub, cli: Callable[..., Result]) -> None:
    broken = task_of("failed", error={"code": "moderation", "message": "not allowed"})
    stub.says(f"GET /v1/runs/{RUN_ID}", (200, run_of("failed", broken)))

    result = cli("runs", "watch", RUN_ID, "--json")

    assert result.exit_code == 1
    assert json.loads(result.stdout)["state"] == "failed"
    assert "step grid: moderation: not allowed" in result.stderr
    assert f"orchestrator runs retry {RUN_ID}" in result.stderr


def test_a_restart_of_the_service_is_outlived(stub: Stub, cli: Callable[..., Result]) -> None:
    away = (503, {"title": "The database is not reachable."})
    stub.says(f"GET /v1/runs/{RUN_ID}", (200, run_of()), away, away, (200, run_of("succeeded")))

    result = cli("runs", "watch", RUN_ID)

    assert result.exit_code == 0
    assert result.stderr.count("waiting for it to come back") == 1


def test_patience_ends(stub: Stub, cli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "PATIENCE", 0.05)
    stub.says(f"GET /v1/runs/{RUN_ID}", (503, {}))

    result = cli("runs", "watch", RUN_ID)

    assert result.exit_code == 3
    assert "gave up after" in result.stderr


def test_waiting_no_longer_ends_with_3(stub: Stub, cli: Callable[..., Result]) -> None:
    stub.says(f"GET /v1/runs/{RUN_ID}", (200, run_of()))

    result = cli("runs", "watch", RUN_ID, "--timeout", "0.05")

    assert result.exit_code == 3
    assert "it goes on" in result.stderr


def test_opening_is_tried_again_with_the_same_key(stub: Stub, cli: Callable[..., Result]) -> None:
    stub.says("GET /v1/pipelines/hero", (200, STORED))
    stub.says("POST /v1/runs", (503, {}), (201, run_of()))

    result = cli("run", "hero", "--no-wait")

    keys = [headers["Idempotency-Key"] for headers, _ in stub.sent("POST /v1/runs")]
    assert result.stdout == f"{RUN_ID}\n"
    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_a_file_is_checked_and_stored_first(stub: Stub, cli: Callable[..., Result], tmp_path: Path) -> None:
    path = tmp_path / "hero.yaml"
    path.write_text(PIPELINE)
    stub.says("PUT /v1/pipelines/hero", (201, STORED))
    stub.says("POST /v1/runs", (201, run_of()))

    result = cli("run", str(path), "-i", "prompt=x", "--no-wait", "--json")

    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["id"] == RUN_ID
    assert stub.sent("PUT /v1/pipelines/hero")[0][1]["steps"] == {
        "grid": {"action": "imagine", "with": {"prompt": "${inputs.prompt}"}}
    }


def test_a_pipeline_that_ships_is_stored_on_its_first_use(stub: Stub, cli: Callable[..., Result]) -> None:
    stub.says("PUT /v1/pipelines/hero-image", (201, STORED | {"name": "hero-image", "version": 1}))
    stub.says("POST /v1/runs", (201, run_of()))

    assert cli("run", "hero-image", "-i", "prompt=x", "--no-wait").exit_code == 0
    assert cli("run", "no-such-thing").exit_code == 2
    assert len(stub.sent("POST /v1/runs")) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_a_question_that_comes_too_soon_is_asked_again_when_the_server_says_so(
    stub: Stub, cli: Callable[..., Result], status: int
) -> None:
    busy = (status, {"title": "Too many requests", "after": 0})
    stub.says(f"GET /v1/runs/{RUN_ID}", busy, busy, (200, run_of()))
    assert cli("runs", "show", RUN_ID).exit_code == 0
    stub.says(f"GET /v1/runs/{RUN_ID}", busy)
    stub.says(f"POST /v1/runs/{RUN_ID}/cancel", busy)
    for command in (["show"], ["cancel"]):
        stub.asked.clear()
        result = cli("runs", *command, RUN_ID)
        assert result.exit_code == 3
        assert f"answered {status}: Too many requests" in result.stderr
        assert len(stub.asked) == (3 if command == ["show"] else 1)


def test_ctrl_c_says_how_to_watch_on(stub: Stub) -> None:
    stub.says(f"GET /v1/runs/{RUN_ID}", (200, run_of("running", task_of("waiting"))))
    command = [sys.executable, "-m", "ops.cli.main", "--url", stub.url, "runs", "watch", RUN_ID]

    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as watcher:
        assert watcher.stderr is not None
        assert "waiting" in watcher.stderr.readline()
        watcher.send_signal(signal.SIGINT)
        told = watcher.stderr.read()

    assert watcher.returncode == 130
    assert f"orchestrator runs watch {RUN_ID}" in told
    assert "Traceback" not in told


def test_who_watches_learns_that_a_choice_is_wanted(stub: Stub, cli: Callable[..., Result]) -> None:
    asked = task_of("waiting", kind="choose", action="choose", waiting_for="a person")
    stub.says(f"GET /v1/runs/{RUN_ID}", (200, run_of("running", asked)), (200, run_of("succeeded")))

    result = cli("runs", "watch", RUN_ID)

    assert f"orchestrator tasks choose {TASK_ID} 1|2|3|4" in result.stderr


def test_an_id_is_a_uuid(stub: Stub, cli: Callable[..., Result]) -> None:
    assert cli("runs", "show", "nonsense").exit_code == 2
    assert stub.asked == []


# Tasks, callbacks, pipelines, doctor --------------------------------------------------------------------


def test_a_choice_and_a_resolution_are_sent(stub: Stub, cli: Callable[..., Result]) -> None:
    stub.says(f"POST /v1/tasks/{TASK_ID}/choose", (200, task_of("succeeded")))
    stub.says(f"POST /v1/tasks/{TASK_ID}/resolve", (200, task_of("waiting")))

    assert cli("tasks", "choose", TASK_ID, "3").exit_code == 0
    assert cli("tasks", "choose", TASK_ID, "5").exit_code == 2
    assert cli("tasks", "resolve", TASK_ID, "submitted").exit_code == 2
    assert cli("tasks", "resolve", TASK_ID, "submitted", "--external-id", "9").exit_code == 0

    assert stub.sent(f"POST /v1/tasks/{TASK_ID}/choose")[0][1] == {"quadrant": 3}
    assert [body for _, body in stub.sent(f"POST /v1/tasks/{TASK_ID}/resolve")] == [
        {"outcome": "submitted", "external_id": "9"}
    ]


def test_a_delivery_is_adopted(stub: Stub, cli: Callable[..., Result]) -> None:
    stub.says(
        f"POST /v1/callbacks/{CALLBACK_ID}/adopt", (200, {"verdict": "late", "reason": "the task is failed already"})
    )

    result = cli("callbacks", "adopt", CALLBACK_ID, TASK_ID)

    assert result.stdout == "late: the task is failed already\n"
    assert stub.sent(f"POST /v1/callbacks/{CALLBACK_ID}/adopt")[0][1] == {"task_id": TASK_ID}


def test_what_wants_a_person_is_listed_with_its_commands(stub: Stub, cli: Callable[..., Result]) -> None:
    about = {"meaning": "it was lost", "account": "acedata", "since": "2026-11-21T10:00:00Z", "detail": "an odd one"}
    items = [about | {"kind": "parked", "id": CALLBACK_ID, "actions": [f"orchestrator callbacks show {CALLBACK_ID}"]}]
    stub.says("GET /v1/attention", (200, {"items": items, "more": ["parked"]}), (200, {"items": [], "more": []}))

    listed = cli("attention", "--limit", "1")

    assert listed.stdout.splitlines()[0] == "parked: it was lost (the first 1)"
    assert f"      orchestrator callbacks show {CALLBACK_ID}\n" in listed.stdout
    assert "Nothing wants a person" in cli("attention").stderr


def test_deliveries_are_dismissed_by_id_or_all_together(stub: Stub, cli: Callable[..., Result]) -> None:
    stub.says(f"POST /v1/callbacks/{CALLBACK_ID}/dismiss", (200, {}))
    stub.says(
        "POST /v1/callbacks:dismiss", (200, {"dismissed": 2, "more": True}), (200, {"dismissed": 1, "more": False})
    )

    assert cli("callbacks", "dismiss", CALLBACK_ID).stdout == "1 delivery dismissed\n"
    assert cli("callbacks", "dismiss", "--verdict", "parked").stdout == "3 deliveries dismissed\n"
    for wrong in ([], [CALLBACK_ID, "--verdict", "late"], [CALLBACK_ID, "--account", "acedata"], ["nonsense"]):
        assert cli("callbacks", "dismiss", *wrong).exit_code == 2


def test_an_account_is_resumed(stub: Stub, cli: Callable[..., Result]) -> None:
    stub.says("POST /v1/accounts/acedata/resume", (200, {"name": "acedata", "in_use": 0, "slots": 5}))
    assert cli("providers", "resume", "acedata").stdout == "acedata: 0 of 5 slots in use\n"


def test_validate_works_without_a_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad, torn = (tmp_path / name for name in ("good.yaml", "bad.yaml", "torn.yaml"))
    good.write_text(PIPELINE)
    bad.write_text(PIPELINE.replace("imagine", "imagin").replace("count: integer", "count: int"))
    torn.write_text("pipeline: [")

    assert CliRunner().invoke(root, ["pipelines", "validate", str(good)]).exit_code == 0
    result = CliRunner().invoke(root, ["pipelines", "validate", str(good), str(bad), str(torn)])
    as_json = json.loads(CliRunner().invoke(root, ["pipelines", "validate", "--json", str(bad)]).stdout)

    assert result.exit_code == 2
    assert "good.yaml: ok" in result.stdout
    assert "steps.grid.action: found 'imagin', did you mean 'imagine'?" in result.stderr
    assert result.stderr.count("torn.yaml:") == 1
    assert set(as_json["items"][0]["errors"]) >= {"steps.grid.action"}


def test_doctor_ends_with_1_while_something_must_be_mended() -> None:
    result = CliRunner().invoke(root, ["doctor", "--json"])

    levels = {one["subject"]: one["level"] for one in json.loads(result.stdout)["checks"]}
    assert result.exit_code == 1
    assert (levels["database"], levels["broker"], levels["archive"]) == ("fail", "fail", "ok")


def test_doctor_tells_what_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATOR_SETTLE", "soon")
    result = CliRunner().invoke(root, ["doctor"])
    assert result.exit_code == 1
    assert "ORCHESTRATOR_SETTLE: 'soon' is not a number" in result.stdout
