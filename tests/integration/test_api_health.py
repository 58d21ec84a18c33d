"""/healthz, /readyz and /metrics."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from caller import Caller

from orchestrator.broker.application import QUEUES, make_app
from orchestrator.broker.sender import Broker
from orchestrator.core.identity import PROCESS, PROOF, QUESTION, challenge, proves
from orchestrator.presence import Presence
from orchestrator.store import processes


def test_a_living_process_is_healthy_even_without_a_database(make_services: Any) -> None:
    services = make_services()
    web = Caller(services)
    services.db.close()
    assert web.ask("GET", "/healthz", role=None).json == {"status": "ok"}


def at_work(services: Any, *, kinds: tuple[str, ...] = ("web", "worker", "beat"), **about: Any) -> None:
    """Processes that have just told that they live, and the sweep that they make."""
    with services.db.connection() as connection:
        for kind in kinds:
            process = Presence(services.config, kind, queues=QUEUES if kind == "worker" else ()).process
            process.about.update(about)
            processes.tell(connection, process)
        processes.note_pass(connection, "sweep")


def ready(web: Caller) -> Any:
    answer = web.ask("GET", "/readyz", role=None)
    assert answer.status_code == 200, answer.text
    return answer.json


def test_ready_names_every_part(web: Caller) -> None:
    at_work(web.services)
    found = ready(web)
    assert (found["status"], found["degraded"]) == ("ready", [])
    parts = ("database", "migrations", "broker", "spool", "worker", "queues", "beat", "sweep", "secret", "version")
    assert found["parts"] == dict.fromkeys((*parts, "settings", "installation"), "ok")


def test_what_is_degraded_is_named_while_callbacks_are_taken(make_services: Any) -> None:
    web = Caller(make_services(nudge=Broker(make_app("redis://127.0.0.1:9/0"))))
    found = ready(web)
    assert found["status"] == "degraded"
    assert found["degraded"] == ["broker", "worker", "beat", "sweep"]
    assert "broker" in found["parts"]["broker"]


def test_a_database_that_is_away_is_named_and_callbacks_are_taken_all_the_same(make_services: Any) -> None:
    services = make_services()
    web = Caller(services)
    services.db.close()
    parts = ready(web)["parts"]
    assert (parts["broker"], parts["migrations"]) == ("ok", "unknown")
    assert "not reachable" in parts["database"]
    assert web.http.post(web.hook(), data=b'{"task_id": "x", "success": true}').status_code == 202


def test_without_database_and_spool_it_is_not_ready(make_services: Any) -> None:
    services = make_services(spool_size=1024)
    web = Caller(services)
    services.db.close()
    while (
        web.http.post(web.hook(), data=b'{"task_id": "x", "success": true, "n": "%s"}' % (b"x" * 99)).status_code < 300
    ):
        pass
    problem = web.refused(503, "GET", "/readyz", role=None)
    assert "full" in problem["parts"]["spool"]
    assert "database" in problem["detail"]


@pytest.mark.parametrize(
    ("about", "part", "words"),
    [
        ({"secrets": ["00000000"]}, "secret", "refuses its callbacks"),
        ({"secrets": ["00000000"]}, "installation", "2 installations"),
        ({"schema": "9999_later"}, "version", "2 versions"),
        ({"public_url": "http://elsewhere.test"}, "settings", "public_url"),
        ({"accounts": []}, "settings", "accounts"),
        ({"queues": ["advance", "submit", "sweep"]}, "queues", "media"),
    ],
)
def test_processes_that_do_not_fit_together_are_told(web: Caller, about: Any, part: str, words: str) -> None:
    at_work(web.services, kinds=("web", "beat"))
    at_work(web.services, kinds=("worker",), **about)
    assert words in ready(web)["parts"][part]


def test_metrics_tell_who_lives_and_when_the_last_sweep_passed(web: Caller) -> None:
    at_work(web.services)
    at_work(web.services, kinds=("worker",), ended=True)
    figures = _metrics(web)
    assert [figures[f'orchestrator_processes_now{{kind="{kind}"}}'] for kind in ("web", "worker", "beat")] == [1, 1, 1]
    assert figures["orchestrator_sweep_age_seconds"] < 30


def test_two_beats_and_a_sweep_that_is_late_are_told(web: Caller) -> None:
    at_work(web.services)
    at_work(web.services, kinds=("beat",))
    with web.services.db.connection() as connection:
        connection.execute("UPDATE passes SET at = at - interval '1 minute'")
    parts = ready(web)["parts"]
    assert "2 beats" in parts["installation"]
    assert "one is due every 2 s" in parts["sweep"]


def test_processes_that_have_ended_or_are_silent_do_not_count(web: Caller) -> None:
    at_work(web.services, kinds=("web", "worker"))
    at_work(web.services, kinds=("beat",), ended=True)
    with web.services.db.connection() as connection:
        connection.execute("UPDATE processes SET seen_at = now() - interval '1 minute' WHERE kind = 'worker'")
    assert {"worker", "beat"} <= set(ready(web)["degraded"])


def test_a_process_tells_that_it_lives_and_that_it_ends(make_services: Any) -> None:
    services = make_services()
    presence = Presence(services.config, "worker", id=services.id, queues=("advance",))

    def row() -> Any:
        with services.db.connection() as connection:
            return next(iter(processes.list_processes(connection)), None)

    presence.start()
    over = time.monotonic() + 30
    while not row():
        assert time.monotonic() < over, "it never told"
    assert (row()["id"], row()["kind"], row()["lives"]) == (services.id, "worker", True)
    presence.stop()
    while row()["lives"]:
        assert time.monotonic() < over, "it never told that it ends"
    assert "secret" not in str(row()["about"]["secrets"])


def test_a_killed_predecessor_on_this_machine_does_not_count(make_services: Any) -> None:
    services = make_services()
    at_work(services, kinds=("beat", "web"))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with services.db.connection() as connection:
        connection.execute("UPDATE processes SET pid = %s WHERE kind = 'beat'", (ended.pid,))
    Presence(services.config, "beat").tell(first=True)
    with services.db.connection() as connection:
        lives = [(row["kind"], row["pid"]) for row in processes.list_processes(connection) if row["lives"]]
    assert sorted(lives) == [("beat", os.getpid()), ("web", os.getpid())]


def test_a_process_of_another_machine_with_the_same_name_lives(make_services: Any) -> None:
    services = make_services()
    at_work(services, kinds=("web",))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with services.db.connection() as connection:
        connection.execute('UPDATE processes SET pid = %s, about = about || \'{"machine": "another"}\'', (ended.pid,))
    Presence(services.config, "beat").tell(first=True)
    with services.db.connection() as connection:
        assert all(row["lives"] for row in processes.list_processes(connection))


def test_who_knows_the_secret_learns_which_process_answers(web: Caller) -> None:
    (secret,) = web.services.config.secrets
    answer = web.ask("GET", "/healthz", role=None, headers={QUESTION: challenge(secret, "n1")})
    assert answer.json == {"status": "ok"}
    name, proof = answer.headers[PROCESS], answer.headers[PROOF]
    assert name == str(web.services.id)
    assert proves(secret, "n1", name, proof)
    assert not proves(secret, "n2", name, proof)


@pytest.mark.parametrize("question", ["", "n1", "n1.", "n1.00", "é.é", challenge(b"another secret of sixteen", "n1")])
def test_nobody_else_learns_anything(shared_web: Caller, question: str) -> None:
    answer = shared_web.ask("GET", "/healthz", role=None, headers={QUESTION: question})
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})
    assert PROCESS not in answer.headers


def test_a_database_without_tables_is_not_ready_and_says_why(
    make_services: Any, make_database: Callable[..., str]
) -> None:
    web = Caller(make_services(database_url=make_database(empty=True), accounts={}))
    assert ready(web)["parts"]["migrations"].startswith("missing: 0001")
    assert "orchestrator migrate" in web.refused(503, "GET", "/v1/runs")["detail"]


def test_metrics_tell_what_is_unfinished_and_what_was_taken(web: Caller) -> None:
    web.open_run()
    before = _metrics(web)
    web.deliver(web.submit())
    web.deliver(job="nobody's")
    web.http.post(web.hook(), data=b"junk")
    after = _metrics(web)
    taken = 'orchestrator_callbacks_total{account="acedata",verdict="%s"}'
    for verdict in ("accepted", "parked", "rejected"):
        assert after[taken % verdict] == before.get(taken % verdict, 0) + 1
    assert (before['orchestrator_tasks_now{state="ready"}'], after['orchestrator_tasks_now{state="ready"}']) == (1, 0)
    assert after['orchestrator_runs_now{state="running"}'] == 1
    assert after['orchestrator_callbacks_now{verdict="parked"}'] == 1
    assert after['orchestrator_slots_now{account="acedata"}'] == 0
    assert after["orchestrator_database_up"] == 1
    assert any("/callbacks/<account>/<token>" in name and 'status="202"' in name for name in after)


def test_metrics_are_told_without_a_database(make_services: Any) -> None:
    services = make_services()
    web = Caller(services)
    services.db.close()
    assert _metrics(web)["orchestrator_database_up"] == 0


@pytest.mark.parametrize("path", ["/nothing", "/v1/runs/abc", "/callbacks/a/b/c/d"])
def test_paths_of_strangers_are_no_labels(shared_web: Caller, path: str) -> None:
    shared_web.ask("GET", path)
    assert not [name for name in _metrics(shared_web) if path in name]


def test_methods_of_strangers_are_no_labels(shared_web: Caller) -> None:
    for method in ("GET", *(f"BREW{number}" for number in range(20))):
        assert shared_web.http.open("/nothing", method=method).status_code == 404
    named = {found[1] for name in _metrics(shared_web) if (found := re.search(r'method="(\w+)"', name))}
    assert named >= {"GET", "other"}
    assert not [name for name in named if "BREW" in name]


def _metrics(web: Caller) -> dict[str, float]:
    lines = web.ask("GET", "/metrics", role=None).text.splitlines()
    return {line.rpartition(" ")[0]: float(re.split(r" ", line)[-1]) for line in lines if not line.startswith("#")}
