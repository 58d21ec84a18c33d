"""The command line against the real API: both speak of the same shapes."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from structlog.testing import capture_logs
from werkzeug.serving import make_server

from ops.cli import following
from ops.cli.main import root

if TYPE_CHECKING:
    from orchestrator.services import Services

Cli = Callable[..., Result]
PERSON = """
pipeline: by-person
inputs: {prompt: {type: string, required: true}, count: {type: integer, default: 1}}
account: acedata
steps:
  grid: {action: imagine, with: {prompt: "${inputs.prompt}"}}
"""


@pytest.fixture
def cli(make_services: Callable[..., Services], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Cli]:
    """Commands of an administrator of a running service, in which nothing works on the tasks."""
    from orchestrator.web import create_app

    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(following, "SHORTEST", 0.01)
    services = make_services()
    server = make_server("127.0.0.1", 0, create_app(services), threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    before = ["--url", f"http://127.0.0.1:{server.server_port}", "--token", "admin-token-0123"]
    with capture_logs():  # the server's, which would stand among what the commands print
        yield lambda *arguments: CliRunner().invoke(root, [*before, *arguments])
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def run_id(cli: Cli, tmp_path: Path) -> str:
    """A run of a pipeline from a file."""
    path = tmp_path / "by-person.yaml"
    path.write_text(PERSON)
    result = cli("run", str(path), "-i", "prompt=a fox", "-i", "count=2", "--label", "team=red", "--no-wait", "--json")
    assert result.exit_code == 0, result.output
    opened: dict[str, Any] = json.loads(result.stdout)
    assert (opened["inputs"], opened["labels"]) == ({"prompt": "a fox", "count": 2}, {"team": "red"})
    return str(opened["id"])


def items(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)["items"]
    return found


def test_a_run_is_listed_shown_cancelled_watched_and_retried(cli: Cli, run_id: str) -> None:
    assert [one["id"] for one in items(cli("runs", "list", "--label", "team=red", "-q", "fox", "--json"))] == [run_id]
    assert items(cli("runs", "list", "--label", "team=blue", "--json")) == []
    assert run_id in cli("runs", "list", "--state", "running", "--pipeline", "by-person").stdout

    assert cli("runs", "cancel", run_id).stdout == f"Run {run_id} is cancelled.\n"
    watched = cli("runs", "watch", run_id)
    assert watched.exit_code == 1
    assert "was cancelled" in watched.stderr

    assert "is running" in cli("runs", "retry", run_id, "--from", "grid").stdout
    astray = cli("runs", "retry", run_id, "--from", "gird")
    assert astray.exit_code == 2
    assert "there is no step 'gird'; allowed: grid" in astray.stderr
    assert "prompt=a fox" in cli("runs", "show", run_id).stdout


def test_its_task_is_listed_shown_and_has_a_history(cli: Cli, run_id: str) -> None:
    task = items(cli("tasks", "list", "--run", run_id, "--step", "grid", "--json"))[0]

    assert task["id"] in cli("tasks", "list", "--state", "ready", "--account", "acedata").stdout
    assert "imagine" in cli("tasks", "show", task["id"]).stdout
    assert "advance" in cli("tasks", "history", task["id"]).stdout
    for refused in (["choose", task["id"], "2"], ["retry", task["id"]], ["resolve", task["id"], "failed"]):
        assert cli("tasks", *refused).exit_code == 2


def test_the_same_key_is_the_same_run_and_another_body_is_refused(cli: Cli, run_id: str) -> None:
    ask = ["run", "by-person", "--idempotency-key", "k", "--no-wait"]

    first, second = cli(*ask, "-i", "prompt=x"), cli(*ask, "-i", "prompt=x")
    other = cli(*ask, "-i", "prompt=y")

    assert first.stdout == second.stdout != f"{run_id}\n"
    assert "opened before with this key" in second.stderr
    assert other.exit_code == 2


def test_wrong_inputs_are_named(cli: Cli, run_id: str) -> None:
    assert "inputs.prompt: missing" in cli("run", "by-person").stderr
    assert "'count' " not in cli("run", "by-person", "-i", "count=x").stderr
    assert cli("run", "by-person", "-i", "count=x").exit_code == 2


def test_pipelines_are_pushed_listed_and_printed_as_they_can_be_read_again(
    cli: Cli, run_id: str, tmp_path: Path
) -> None:
    printed = cli("pipelines", "show", "by-person")
    path = tmp_path / "printed.yaml"
    path.write_text(printed.stdout)

    assert cli("pipelines", "push", str(path)).stdout == f"{path}: by-person version 1\n"
    assert [one["name"] for one in items(cli("pipelines", "list", "--json"))] == ["by-person"]
    assert "by-person  1" in cli("pipelines", "list").stdout
    assert cli("pipelines", "show", "nobody").exit_code == 2


def test_accounts_and_deliveries_are_listed(cli: Cli) -> None:
    assert [one["name"] for one in items(cli("providers", "list", "--json"))] == ["acedata", "second"]
    assert "0 of 5 in use  ok" in cli("providers", "list").stdout
    assert items(cli("callbacks", "list", "--verdict", "parked", "--account", "acedata", "--json")) == []
    assert "There are none." in cli("callbacks", "list").stderr
    assert cli("callbacks", "show", "01a20090-11fc-77b3-88b7-83aa8a9477d3").exit_code == 2


def test_a_database_is_migrated_once_and_found_in_order(
    make_database: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", make_database(empty=True))

    def found(subject: str) -> str:
        checks = json.loads(CliRunner().invoke(root, ["doctor", "--json"]).stdout)["checks"]
        return str(next(one["level"] for one in checks if one["subject"] == subject))

    assert (found("database"), found("schema")) == ("ok", "fail")
    assert "applied 0001_" in CliRunner().invoke(root, ["migrate"]).stdout
    assert CliRunner().invoke(root, ["migrate"]).stdout == "The schema is up to date.\n"
    assert (found("schema"), found("clock")) == ("ok", "ok")


@pytest.mark.parametrize(("url", "status"), [("postgresql://me:hush@127.0.0.1:9/x", 3), ("no database", 2), ("", 2)])
def test_what_cannot_be_migrated_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str, status: int
) -> None:
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", url)

    result = CliRunner().invoke(root, ["migrate"])

    assert result.exit_code == status, result.output
    assert result.stderr.startswith("error: ")
    assert "hush" not in result.output
