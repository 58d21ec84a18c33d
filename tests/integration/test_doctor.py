"""The doctor names each thing that is broken: every test breaks one, of real servers."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pytest
from caller import Caller
from click.testing import CliRunner
from werkzeug.serving import make_server

from ops.cli.checks import CHECKS, MEANING, Finding, check_all, machine
from ops.cli.checks.clock import judge
from ops.cli.main import root
from ops.cli.settings import Here
from ops.embedded import broker as embedded
from ops.emulator.options import Options
from ops.emulator.server import start as start_emulator
from orchestrator.broker.application import QUEUES
from orchestrator.config import Account, Config
from orchestrator.core.identity import fingerprint
from orchestrator.presence import Presence
from orchestrator.services import Services
from orchestrator.spool import Spool
from orchestrator.store import processes
from orchestrator.web import create_app

DOCS = Path(__file__).parents[2] / "docs"
MakeServices = Callable[..., Services]


def found(check: str, config: Config) -> dict[str, Finding]:
    """What one check says, by its subjects; of several findings with one subject the worst."""
    order = {"ok": 0, "warn": 1, "fail": 2}
    return {one.subject: one for one in sorted(CHECKS[check](config), key=lambda one: order[one.level])}


def at_work(services: Services, *kinds: str, **about: Any) -> None:
    """These processes live, and have swept."""
    with services.db.connection() as connection:
        for kind in kinds or ("web", "worker", "beat"):
            process = Presence(services.config, kind, id=services.id if kind == "web" else None, queues=QUEUES).process
            process.about.update(about)
            processes.tell(connection, process)
        processes.note_pass(connection, "sweep")


def execute(config: Config, statement: str) -> None:
    with psycopg.connect(str(config.database_url), autocommit=True) as connection:
        connection.execute(statement.encode())


@pytest.fixture(scope="module")
def broker_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = embedded.start(tmp_path_factory.mktemp("broker"), die_with_parent=True)
    yield server.url
    server.stop()


@pytest.fixture
def serve() -> Iterator[Callable[[Services], str]]:
    """The web application of these services on a port of its own; its address."""
    running: list[tuple[Any, threading.Thread]] = []

    def begin(services: Services) -> str:
        server = make_server("127.0.0.1", 0, create_app(services), threaded=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield begin
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


# All is well ----------------------------------------------------------------------------------------------


def test_a_healthy_installation_is_called_so(
    make_services: MakeServices, serve: Callable[[Services], str], broker_url: str, tmp_path: Path
) -> None:
    emulator = start_emulator(Options(instant=True))
    account = Account(name="acedata", provider="acedata", base_url=emulator.url, token="any")
    services = make_services(accounts={"acedata": account}, broker_url=broker_url)
    services.config = replace(services.config, public_url=serve(services))
    at_work(services)
    try:
        findings = list(check_all(services.config, Here(tmp_path, None)))
    finally:
        emulator.stop()
    assert [one for one in findings if one.level != "ok" and one.subject != "disk"] == []
    assert {"database", "schema", "indexes", "clock", "broker", "queues", "public URL", "worker"} <= {
        one.subject for one in findings
    }


def test_every_subject_is_explained() -> None:
    written = (DOCS / "doctor.md").read_text()
    sources = " ".join(path.read_text() for path in Path(machine.__file__).parent.glob("*.py"))
    said = set(re.findall(r'(?:Finding|judge)\(\s*"([^"]+)"', sources))
    assert said <= set(MEANING)
    assert [subject for subject in MEANING if f"| {subject} |" not in written] == []


# The database ----------------------------------------------------------------------------------------------


def test_a_database_that_is_away_is_named(make_config: Callable[..., Config]) -> None:
    config = make_config(database_url="postgresql://nobody@127.0.0.1:9/nothing")
    assert found("database", config)["database"].level == "fail"
    assert "mend the database" in str(found("worker", config)["worker"].advice)
    assert found("attention", config) == {}


def test_a_database_without_tables_is_to_be_migrated(
    make_config: Callable[..., Config], make_database: Callable[..., str]
) -> None:
    schema = found("database", make_config(database_url=make_database(empty=True)))["schema"]
    assert (schema.level, schema.advice) == ("fail", "run `orchestrator migrate`")


def test_migrations_of_a_later_version_are_a_skew(make_config: Callable[..., Config]) -> None:
    config = make_config()
    execute(config, "INSERT INTO migrations (name) VALUES ('9999_later')")
    assert "9999_later" in found("database", config)["schema"].detail


def test_missing_indexes_constraints_and_functions_are_named_with_what_makes_them(
    make_config: Callable[..., Config],
) -> None:
    config = make_config()
    dropped = (
        "DROP INDEX tasks_to_look_at; ALTER TABLE tasks DROP CONSTRAINT tasks_run_id_step_item_attempt_key;"
        " DROP FUNCTION words_of CASCADE"
    )
    execute(config, dropped)
    indexes = found("database", config)["indexes"]
    for name in ("tasks_to_look_at", "tasks_run_id_step_item_attempt_key", "words_of", "runs_by_words"):
        assert name in indexes.detail
    advice = str(indexes.advice)
    execute(config, re.findall(r"CREATE INDEX tasks_to_look_at [^;]*;", advice)[0])
    execute(config, re.findall(r"ALTER TABLE tasks ADD CONSTRAINT tasks_run_id_step[^;]*;", advice)[0])
    assert "tasks_" not in found("database", config)["indexes"].detail


def test_an_invalid_index_is_to_be_built_anew(make_config: Callable[..., Config]) -> None:
    config = make_config()
    execute(config, "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'tasks_newest'::regclass")
    indexes = found("database", config)["indexes"]
    assert indexes.level == "fail"
    assert "REINDEX INDEX CONCURRENTLY tasks_newest" in str(indexes.advice)


@pytest.mark.parametrize(
    ("setting", "subject", "words"),
    [
        ("synchronous_commit = off", "durability", "synchronous_commit"),
        ("default_transaction_read_only = on", "database", "no writes"),
    ],
)
def test_a_database_that_does_not_keep_what_it_is_given_is_named(
    make_config: Callable[..., Config], setting: str, subject: str, words: str
) -> None:
    config = make_config()
    name = str(config.database_url).partition("?")[0].rpartition("/")[2]
    execute(config, f"ALTER DATABASE {name} SET {setting}")
    finding = found("database", config)[subject]
    assert finding.level == "fail"
    assert words in finding.detail


@pytest.mark.parametrize(("seconds", "level"), [(0.5, "ok"), (-1.9, "ok"), (3, "warn"), (-31, "fail")])
def test_clocks_that_differ_are_named(seconds: float, level: str) -> None:
    assert judge("clock", "the database's", seconds).level == level


# The broker ------------------------------------------------------------------------------------------------


def test_a_broker_that_is_away_is_named(make_config: Callable[..., Config]) -> None:
    assert found("broker", make_config(broker_url="redis://127.0.0.1:9/0"))["broker"].level == "fail"
    assert found("broker", make_config(broker_url="nosuch://127.0.0.1"))["broker"].level == "fail"
    assert found("broker", make_config())["broker"].level == "fail"


def test_a_broker_that_drops_what_it_has_no_room_for_is_named(
    make_config: Callable[..., Config], tmp_path: Path
) -> None:
    from orchestrator.broker.application import make_app

    server = embedded.start(tmp_path, die_with_parent=True)
    try:
        with make_app(server.url).connection_for_write() as connection:
            client = connection.default_channel.client
            client.config_set("maxmemory-policy", "allkeys-lru")
            dropping = found("broker", make_config(broker_url=server.url))["broker"]
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", client.info("memory")["used_memory"] + 100_000)
            full = found("broker", make_config(broker_url=server.url))["broker"]
    finally:
        server.stop()
    assert (dropping.level, dropping.advice) == ("fail", "CONFIG SET maxmemory-policy noeviction")
    assert full.level == "warn"


# The processes ---------------------------------------------------------------------------------------------


def test_processes_that_are_not_there_are_named(make_services: MakeServices) -> None:
    services = make_services()
    said = found("worker", services.config)
    assert {name for name, one in said.items() if one.level == "fail"} == {"web", "worker", "beat", "sweep"}
    at_work(services)
    execute(services.config, "UPDATE processes SET seen_at = now() - interval '50 seconds' WHERE kind = 'worker'")
    worker = found("worker", services.config)["worker"]
    assert re.search(r"the last, on \S+, fell silent 5\d s ago", worker.detail)


def test_a_sweep_that_is_stuck_is_named_although_beat_and_worker_live(make_services: MakeServices) -> None:
    services = make_services()
    at_work(services)
    execute(services.config, "UPDATE passes SET at = now() - interval '2 minutes'")
    said = found("worker", services.config)
    assert (said["sweep"].level, said["beat"].level, said["worker"].level) == ("fail", "ok", "ok")


def test_a_queue_that_nobody_takes_jobs_from_is_named(make_services: MakeServices) -> None:
    services = make_services()
    at_work(services, "web", "beat")
    at_work(services, "worker", queues=["advance", "submit", "sweep"])
    assert "media" in found("worker", services.config)["queues"].detail


def test_two_versions_and_two_installations_are_named(make_services: MakeServices) -> None:
    services = make_services()
    at_work(services)
    at_work(services, "worker", schema="9999_later", secrets=["00000000"])
    said = found("worker", services.config)
    assert (said["version"].level, said["installation"].level) == ("warn", "fail")


def test_web_and_worker_with_different_secrets_are_named(make_services: MakeServices) -> None:
    services = make_services()
    at_work(services, "web", "beat")
    at_work(services, "worker", secrets=["00000000"])
    assert "refuses its callbacks" in found("worker", services.config)["secret"].detail


def test_another_secret_here_than_at_work_is_named(make_services: MakeServices) -> None:
    services = make_services()
    at_work(services)
    here = replace(services.config, secrets=(b"another secret of sixteen",))
    assert "set here" in found("worker", here)["secret"].detail


def test_open_tasks_signed_with_a_secret_that_is_gone_are_named(make_services: MakeServices) -> None:
    former = make_services()
    web = Caller(former)
    at_work(former)
    web.open_run()
    web.submit()
    now = replace(former.config, secrets=(b"another secret of sixteen",))
    services = make_services(secrets=now.secrets)
    execute(now, "UPDATE processes SET about = about || '{\"ended\": true}'")
    at_work(services)

    secret = found("worker", services.config)["secret"]

    assert secret.level == "fail"
    assert "of 1 unfinished tasks" in secret.detail
    both = replace(now, secrets=(*now.secrets, *former.config.secrets))
    at_work(services, "web", secrets=[fingerprint(one) for one in both.secrets])
    assert found("worker", both)["secret"].level == "ok"


# The work --------------------------------------------------------------------------------------------------


def test_what_is_stuck_fails_and_what_wants_a_look_warns(make_services: MakeServices) -> None:
    services = make_services()
    web = Caller(services)
    web.open_run()
    web.open_run()
    web.doubt()
    web.submit()
    web.deliver(job="nobody's")
    execute(services.config, "UPDATE tasks SET wake_at = now() - interval '1 hour' WHERE state = 'waiting'")
    execute(services.config, "UPDATE accounts SET paused_until = now() + interval '1 hour' WHERE name = 'acedata'")
    said = found("attention", services.config)
    levels = {name: one.level for name, one in said.items()}
    assert levels == {"uncertain": "warn", "parked": "warn", "paused": "warn", "unwatched": "fail"}
    assert "orchestrator providers resume acedata" in str(said["paused"].advice)


def test_tasks_of_an_account_that_is_not_configured_any_more_are_named(make_services: MakeServices) -> None:
    services = make_services()
    web = Caller(services)
    run = web.open_run()
    without = replace(services.config, accounts={})
    stray = found("attention", without)["stray"]
    assert stray.level == "fail"
    assert f"orchestrator tasks resolve {run['tasks'][0]['id']} failed" in str(stray.advice)


def test_accounts_that_only_the_service_knows_are_not_missed(make_services: MakeServices) -> None:
    services = make_services()
    at_work(services)
    Caller(services).open_run()
    shell = replace(services.config, accounts={})
    assert found("attention", shell) == {}
    assert found("worker", shell)["settings"].level == "ok"


# The public URL --------------------------------------------------------------------------------------------


class Stranger(BaseHTTPRequestHandler):
    """Another service, with a clock of its own."""

    body, date = b"<html>", ""

    def do_GET(self) -> None:
        self.send_response_only(200)
        self.send_header("Date", self.date)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(self.body)

    do_HEAD = do_GET  # noqa: N815 - http.server's names

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def stranger() -> Iterator[Callable[..., str]]:
    servers: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def begin(**fields: Any) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("One", (Stranger,), fields))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield begin
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_public_url_that_leads_nowhere_or_elsewhere_is_named(
    make_config: Callable[..., Config], stranger: Callable[..., str]
) -> None:
    nowhere = found("public URL", make_config(public_url="http://127.0.0.1:9"))["public URL"]
    assert "does not answer" in nowhere.detail
    other = found("public URL", make_config(public_url=stranger()))["public URL"]
    assert "not as this service does" in other.detail
    parrot = make_config(public_url=stranger(body=b'{"status": "ok"}'))
    assert "does not know our secret" in found("public URL", parrot)["public URL"].detail


def test_an_installation_with_another_secret_or_another_database_is_recognised(
    make_services: MakeServices, make_database: Callable[..., str], serve: Callable[[Services], str]
) -> None:
    services = make_services(secrets=(b"a secret of sixteen or more", b"the former secret of ours"))
    at_work(services)
    config = replace(services.config, public_url=serve(services))
    assert found("public URL", config)["public URL"].level == "ok"
    rotated = replace(config, secrets=(b"the former secret of ours",))
    assert found("public URL", rotated)["public URL"].level == "ok"
    strange = replace(config, secrets=(b"another secret of sixteen",))
    assert "does not know our secret" in found("public URL", strange)["public URL"].detail
    elsewhere = replace(config, database_url=make_database())
    assert "another database" in found("public URL", elsewhere)["public URL"].detail


# The providers ---------------------------------------------------------------------------------------------


def test_a_wrong_token_and_a_provider_that_is_away_are_named(make_config: Callable[..., Config]) -> None:
    emulator = start_emulator(Options(instant=True, tokens=(("first", "the-right-one"),)))
    account = Account(name="acedata", provider="acedata", base_url=emulator.url, token="a-wrong-one")
    away = replace(account, name="away", base_url="http://127.0.0.1:9")
    try:
        findings = list(CHECKS["provider"](make_config(accounts={"acedata": account, "away": away})))
    finally:
        emulator.stop()
    assert [one.level for one in findings if one.subject == "provider"] == ["fail", "fail"]
    assert [one.detail.partition(":")[0] for one in findings if one.subject == "provider"] == ["acedata", "away"]


def test_a_provider_with_another_clock_is_named(
    make_config: Callable[..., Config], stranger: Callable[..., str]
) -> None:
    url = stranger(date="Mon, 01 Jan 2024 00:00:00 GMT")
    account = Account(name="acedata", provider="acedata", base_url=url, token="any")
    skew = found("provider", make_config(accounts={"acedata": account}))["provider's clock"]
    assert skew.level == "fail"
    assert "ahead of the clock at acedata" in skew.detail


# The machine -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("free", "files", "level"), [(2**33, None, "ok"), (2**29, 10**6, "warn"), (2**20, None, "fail"), (2**33, 5, "fail")]
)
def test_a_disk_that_is_full_or_nearly_so_is_named(free: int, files: int | None, level: str, tmp_path: Path) -> None:
    assert machine.judge_disk("home and spool", tmp_path, free, files).level == level


def test_a_spool_that_is_full_waiting_or_damaged_is_named(make_services: MakeServices) -> None:
    services = make_services(spool_size=4096)
    web = Caller(services)
    services.db.circuit.failed()
    assert web.deliver(job="job-1").status_code == 202
    assert "1 deliveries wait" in found("spool", services.config)["spool"].detail
    while web.deliver(job="job-1").status_code == 202:
        """Until it is full."""
    assert found("spool", services.config)["spool"].level == "fail"
    folder = services.config.home / "spool"
    (live,) = [path for path in folder.iterdir() if path.stat().st_size]
    live.rename(live.with_suffix(".bad"))
    assert Spool(folder, 2**20).depth().aside == 1
    aside = [one for one in CHECKS["spool"](replace(services.config, spool_size=2**20)) if "set aside" in one.detail]
    assert "callbacks spool --retry" in str(aside[0].advice)


def test_an_archive_that_cannot_be_written_is_named(make_config: Callable[..., Config], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    config = make_config(archive_url=f"file://{tmp_path}/file/archive")
    config.home.mkdir()
    assert found("archive", config)["archive"].level == "fail"


def test_a_process_of_the_home_that_is_gone_or_restless_is_named(tmp_path: Path) -> None:
    def said(pid: int, restarts: int) -> Finding:
        state = {"state": "running", "services": {"beat": {"pid": pid, "restarts": restarts}}}
        (finding,) = machine.check_supervised(Here(tmp_path, state))
        return finding

    assert said(os.getpid(), 0).level == "ok"
    assert said(os.getpid(), 5).level == "warn"
    assert said(2**22 + 1, 0).level == "fail"


def test_a_library_that_is_too_old_is_named(
    monkeypatch: pytest.MonkeyPatch, make_config: Callable[..., Config]
) -> None:
    monkeypatch.setattr(machine, "requires", lambda name: ["flask>=999", "nosuch-library", 'other; extra == "test"'])
    program = found("program", make_config())["program"]
    assert program.level == "fail"
    assert "nosuch-library is missing" in program.detail
    assert "(>=999)" in program.detail


# The command -----------------------------------------------------------------------------------------------


def test_the_command_prints_meaning_and_advice_and_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, database_url: str
) -> None:
    for name in [
        name for name in os.environ if name.startswith(("ORCHESTRATOR_", "ACEDATA_")) or name.endswith("_URL")
    ]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATABASE_URL", database_url)
    result = CliRunner().invoke(root, ["doctor", "--json"])
    assert result.exit_code == 1
    checks = {one["subject"]: one for one in json.loads(result.stdout)["checks"]}
    assert checks["beat"] | {"detail": ""} == {
        "subject": "beat",
        "level": "fail",
        "detail": "",
        "meaning": MEANING["beat"],
        "advice": "start the Procfile's beat (`orchestrator up` does); see its log if it ends at once",
    }
    assert checks["database"]["meaning"] is None
    text = CliRunner().invoke(root, ["doctor"]).output
    assert MEANING["beat"] in text
    assert "beat, sweep" in text


def test_a_check_that_fails_itself_keeps_no_other_from_being_heard(
    make_config: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(config: Config) -> Iterator[Finding]:
        raise RuntimeError("no such luck at redis://me:hush@host/0")

    monkeypatch.setitem(CHECKS, "spool", broken)  # type: ignore[arg-type]  # it is a dict
    findings = list(check_all(make_config(accounts={})))
    (spool,) = [one for one in findings if one.subject == "spool"]
    assert spool.level == "fail"
    assert "hush" not in spool.detail
    assert "public URL" in {one.subject for one in findings}
