"""``orchestrator runs export`` and ``erase`` against a real service, and one that breaks off."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from caller import Caller
from click.testing import CliRunner, Result
from structlog.testing import capture_logs
from werkzeug.serving import make_server

from ops.cli.evidence import write_evidence
from ops.cli.failures import Refused, Unreachable
from ops.cli.main import root

Cli = Callable[..., Result]
LINES = [b'{"line": "run"}\n', b'{"line": "end"}\n']


@pytest.fixture
def cli(shared_web: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cli]:
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path / "home"))
    server = make_server("127.0.0.1", 0, shared_web.http.application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    before = ["--url", f"http://127.0.0.1:{server.server_port}", "--token", "admin-token-0123"]
    with capture_logs():  # the server's, which would stand among what the commands print
        yield lambda *arguments: CliRunner().invoke(root, [*before, "runs", *arguments])
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_run_is_exported_to_a_file_or_to_a_pipe(cli: Cli, shared_web: Caller, tmp_path: Path) -> None:
    run: dict[str, Any] = shared_web.open_run("für Ünicode")
    path = tmp_path / "run.ndjson"

    result = cli("export", run["id"], "--output", str(path))

    assert result.exit_code == 0, result.output
    first, *_, last = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert (first["id"], first["inputs"], last["line"]) == (run["id"], {"prompt": "für Ünicode"}, "end")
    assert len(cli("export", run["id"]).stdout_bytes.splitlines()) == len(path.read_bytes().splitlines())
    assert [one.name for one in tmp_path.iterdir() if "ndjson" in one.name] == ["run.ndjson"]


def test_what_cannot_be_exported_is_told(cli: Cli, shared_web: Caller, tmp_path: Path) -> None:
    assert cli("export", "01a20090-11fc-77b3-88b7-83aa8a9477d3").exit_code == 2
    result = cli("export", shared_web.open_run()["id"], "-o", str(tmp_path / "nowhere" / "run"))
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr


def test_a_run_is_erased_when_one_has_said_so(cli: Cli, shared_web: Caller) -> None:
    run: dict[str, Any] = shared_web.open_run("a secret wish")
    assert cli("erase", run["id"]).exit_code == 1  # nobody said yes
    assert cli("erase", run["id"], "--yes").exit_code == 2  # it is under way
    cli("cancel", run["id"])

    result = cli("erase", run["id"], "--yes", "--images")

    assert result.exit_code == 0, result.output
    assert f"Run {run['id']} is erased: 0 deliveries, 0 records" in result.stdout
    assert json.loads(cli("erase", run["id"], "--yes", "--json").stdout)["by"] == "admin"
    shown = cli("show", run["id"]).stdout
    assert "by admin" in shown
    assert "secret wish" not in shown
    refused = cli("retry", run["id"], "--from", "grid")
    assert refused.exit_code == 2
    assert "was erased by admin" in refused.stderr


def test_an_export_that_was_cut_short_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(Unreachable):
        write_evidence(LINES[:1], str(tmp_path / "run"))
    assert list(tmp_path.iterdir()) == []
    write_evidence(LINES, str(tmp_path / "run"))
    assert (tmp_path / "run").read_bytes() == b"".join(LINES)
    with pytest.raises(Refused):
        write_evidence(LINES, str(tmp_path))
