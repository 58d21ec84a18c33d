"""The pages in a real browser: they load, say what they should, and report no error."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from werkzeug.serving import make_server

from ops.dashboard.app import create_app as dashboard
from orchestrator.services import Services
from orchestrator.store import Database
from orchestrator.web import create_app as web

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module", autouse=True)
def _browser() -> None:
    if not CHROMIUM:
        assert not os.environ.get("CI"), "Chromium must be installed in CI"
        pytest.skip("Chromium is not installed (make test-deps)")


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """``serve(app)`` gives the URL of a WSGI application on loopback."""
    started = []

    def start(app: object) -> str:
        server = make_server("127.0.0.1", 0, app, threaded=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        started.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in started:
        server.shutdown()
        thread.join()
        server.server_close()


def rendered(url: str, profile: Path) -> tuple[str, str]:
    """The page's document after its scripts have run, and what the browser logged."""
    quiet = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    quiet += ["--disable-component-update", "--disable-sync", "--enable-logging=stderr", "--log-level=1"]
    command = [str(CHROMIUM), "--headless", "--no-sandbox", *quiet, f"--user-data-dir={profile}", "--dump-dom", url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if ":CONSOLE" in line)


def test_the_status_page_shows_counts_and_reloads(serve: Callable[..., str], database_url: str, tmp_path: Path) -> None:
    database = Database(database_url, size=1)

    try:
        document, console = rendered(serve(dashboard(database)), tmp_path)
    finally:
        database.close()

    assert "Orchestrator status" in document
    assert "uncertain" in document
    assert 'http-equiv="refresh"' in document
    assert console == ""


def test_the_status_page_says_that_the_database_is_away(serve: Callable[..., str], tmp_path: Path) -> None:
    database = Database("postgresql://nobody@127.0.0.1:9/none", size=1, timeout=0.2)

    try:
        document, _ = rendered(serve(dashboard(database)), tmp_path)
    finally:
        database.close()

    assert "the database is not reachable" in document


def test_the_api_documentation_lists_every_route_and_needs_no_network(
    serve: Callable[..., str], make_services: Callable[..., Services], tmp_path: Path
) -> None:
    document, console = rendered(serve(web(make_services())) + "/docs", tmp_path)

    for route in ("/v1/runs", "/v1/tasks/{task_id}/resolve", "/callbacks/{account}/{token}", "/v1/pipelines:validate"):
        assert route in document
    assert console == ""
