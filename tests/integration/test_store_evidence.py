"""Deliveries as the store takes them: correlated, merged, kept; taken again, adopted, and never too much for it."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from factories import event, some_uuid, wipe

from orchestrator import catalog
from orchestrator.core.events import Event, Source, TaskError
from orchestrator.core.states import TaskState, Verdict
from orchestrator.core.tokens import account_token, task_token
from orchestrator.errors import MalformedDelivery
from orchestrator.intake.deliveries import take_callback
from orchestrator.intake.events import take_events
from orchestrator.intervene import adopt, replay, resolve
from orchestrator.launch import Request, launch
from orchestrator.services import Services
from orchestrator.store import callbacks, submissions, tasks
from orchestrator.store.callbacks import Taken

if TYPE_CHECKING:
    from caller import Caller

IMAGINE = {"action": "imagine", "with": {"prompt": "x"}}


@pytest.fixture
def services(shared_web: Caller) -> Services:
    services = shared_web.services
    with services.db.connection() as connection:
        wipe(connection)
    for account in ("acedata", "second"):
        document = {"pipeline": f"on-{account}", "account": account, "steps": {"grid": IMAGINE}}
        catalog.push(services, document, where="test")
    return services


def submitted(services: Services, account: str = "acedata") -> UUID:
    """A task of a run of its own, submitting."""
    launch(services, Request(pipeline=f"on-{account}", inputs={}, labels={}))
    with services.db.connection() as connection:
        task = submissions.claim_submission(connection, account, lease=60, now=services.now())
    assert task is not None
    return task.id


def record(services: Services, task: UUID, external_id: str) -> bool:
    with services.db.connection() as connection:
        return submissions.record_submitted(connection, task, external_id, quiet=60, now=services.now())


def state(services: Services, task: UUID) -> tuple[TaskState, int, str | None]:
    with services.db.connection() as connection:
        found = tasks.get_task(connection, task)
    return found.state, found.progress, found.external_id


def by_token(services: Services, task: UUID, *said: dict[str, Any], account: str = "acedata") -> Taken:
    token = task_token(services.config.secrets, account, task)
    return take_callback(services, account, token, json.dumps(said).encode, None)


def by_hook(services: Services, *said: dict[str, Any], account: str = "acedata") -> Taken:
    hook = account_token(services.config.secrets, account)
    return take_callback(services, account, hook, json.dumps(said).encode, None)


def kept(services: Services) -> list[dict[str, Any]]:
    with services.db.connection() as connection:
        return connection.execute("SELECT * FROM callbacks ORDER BY received_at").fetchall()


def done(job: str | None = None) -> dict[str, Any]:
    return {"success": True, "progress": 100, "image_url": "http://x/y.png", **({"task_id": job} if job else {})}


def progress(percent: int, job: str | None = None) -> dict[str, Any]:
    return {"progress": percent, **({"task_id": job} if job else {})}


def test_a_delivery_that_names_another_tasks_job_is_parked(services: Services) -> None:
    mine, other = submitted(services), submitted(services)
    record(services, other, "job-of-other")
    taken = by_token(services, mine, done("job-of-other"))
    assert (taken.verdict, taken.reason) == (Verdict.PARKED, "it names the job of another task")
    assert state(services, mine)[0] is TaskState.SUBMITTING
    assert state(services, other) == (TaskState.WAITING, 0, "job-of-other")


def test_a_delivery_that_names_another_job_than_the_known_one_is_parked(services: Services) -> None:
    task = submitted(services)
    record(services, task, "mine")
    assert by_token(services, task, done("another")).verdict is Verdict.PARKED
    assert by_token(services, task, done()).verdict is Verdict.ACCEPTED


def test_two_accounts_may_be_told_the_same_bytes(services: Services) -> None:
    first, second = submitted(services), submitted(services, "second")
    record(services, first, "17")
    record(services, second, "17")
    assert by_hook(services, done("17")).verdict is Verdict.ACCEPTED
    assert by_hook(services, done("17"), account="second").verdict is Verdict.ACCEPTED
    assert state(services, second)[0] is TaskState.SUCCEEDED


def test_an_answer_that_names_another_tasks_job_leaves_this_one_in_doubt(services: Services) -> None:
    first, second = submitted(services), submitted(services)
    record(services, first, "same")
    record(services, second, "same")
    assert state(services, first) == (TaskState.WAITING, 0, "same")
    assert state(services, second) == (TaskState.UNCERTAIN, 0, None)


def test_one_delivery_may_bring_news_of_several_jobs(services: Services) -> None:
    made = [submitted(services) for _ in range(3)]
    for number, task in enumerate(made):
        record(services, task, f"job-{number}")
    taken = by_hook(services, done("job-1"), progress(30, "job-2"), {"success": False, "task_id": "job-0"})
    assert taken.verdict is Verdict.ACCEPTED
    assert len(taken.ended_runs) == 2
    assert [state(services, task)[0] for task in made] == [TaskState.FAILED, TaskState.SUCCEEDED, TaskState.WAITING]


def test_a_delivery_with_one_unknown_job_waits_for_it_and_takes_the_others_at_once(services: Services) -> None:
    known, early = submitted(services), submitted(services)
    record(services, known, "known")
    assert by_hook(services, done("known"), done("early")).verdict is Verdict.PARKED
    assert state(services, known)[0] is TaskState.SUCCEEDED
    assert record(services, early, "early") is True
    with services.db.connection() as connection:
        (parked,) = callbacks.parked_for(connection, "acedata", "early")
    assert replay(services, parked["id"]).verdict is Verdict.ACCEPTED
    assert state(services, early)[0] is TaskState.SUCCEEDED
    assert [(one["verdict"], one["copies"]) for one in kept(services)] == [("accepted", 1)]


def test_a_person_who_names_the_job_takes_up_what_was_parked_for_it(services: Services) -> None:
    task = submitted(services)
    by_hook(services, done("job"))
    with services.db.connection() as connection:
        submissions.doubt_submission(connection, task, "lost", wake_at=services.now(), now=services.now())
    assert resolve(services, task, "submitted", "job").state is TaskState.SUCCEEDED
    assert [one["verdict"] for one in kept(services)] == ["accepted"]


def test_the_jobs_id_is_news(services: Services) -> None:
    task = submitted(services)
    assert by_token(services, task, progress(0)).verdict is Verdict.ACCEPTED
    assert by_token(services, task, progress(0, "job")).verdict is Verdict.ACCEPTED
    assert by_token(services, task, {"task_id": "job", "progress": 0, "more": 1}).verdict is Verdict.STALE
    assert state(services, task) == (TaskState.WAITING, 0, "job")


def test_a_task_that_is_over_still_learns_its_job_and_how_far_it_came(services: Services) -> None:
    task = submitted(services)
    by_token(services, task, {"success": False, "error": {"code": "forbidden"}})
    assert by_token(services, task, progress(40, "job")).verdict is Verdict.STALE
    assert state(services, task) == (TaskState.FAILED, 40, "job")


def test_a_contradiction_after_the_end_changes_nothing_and_is_kept(services: Services) -> None:
    task = submitted(services)
    by_token(services, task, {"success": False, "progress": 20})
    assert by_token(services, task, done("job")).verdict is Verdict.LATE
    assert state(services, task) == (TaskState.FAILED, 20, None)
    assert [one["verdict"] for one in kept(services)] == ["accepted", "late"]


def test_a_failure_keeps_no_preview_as_its_result(services: Services) -> None:
    task = submitted(services)
    by_token(services, task, {"progress": 20, "image_url": "http://x/preview.png"})
    by_token(services, task, {"success": False})
    with services.db.connection() as connection:
        found = tasks.get_task(connection, task)
    assert (found.state, found.result) == (TaskState.FAILED, None)


def test_what_could_not_be_read_is_taken_when_it_can_be(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    task = submitted(services)
    body = json.dumps([done("job")]).encode()
    token = task_token(services.config.secrets, "acedata", task)

    def refuse(_: bytes) -> tuple[Event, ...]:
        raise MalformedDelivery("not today")

    with monkeypatch.context() as patch:
        patch.setattr("orchestrator.providers.acedata.reading.read", refuse)
        with pytest.raises(MalformedDelivery):
            take_callback(services, "acedata", token, lambda: body, None)
    assert take_callback(services, "acedata", token, lambda: body, None).verdict is Verdict.ACCEPTED
    (only,) = kept(services)
    assert (only["verdict"], only["copies"], bytes(only["body"])) == ("accepted", 2, body)
    assert state(services, task)[0] is TaskState.SUCCEEDED


def test_a_delivery_that_found_its_task_stays_what_it_was_when_it_is_taken_again(services: Services) -> None:
    task = submitted(services)
    by_token(services, task, done("job"))
    (first,) = kept(services)
    assert replay(services, first["id"]).verdict is Verdict.DUPLICATE
    assert [(one["verdict"], one["copies"]) for one in kept(services)] == [("accepted", 1)]


def test_an_adopted_delivery_is_evidence_of_its_task_with_its_own_bytes(services: Services) -> None:
    task = submitted(services)
    by_hook(services, done("unknown"))
    (parked,) = kept(services)
    assert adopt(services, parked["id"], task).verdict is Verdict.ACCEPTED
    assert adopt(services, parked["id"], task).verdict is Verdict.DUPLICATE
    assert {(one["task_id"], bytes(one["body"]), one["verdict"]) for one in kept(services)} == {
        (task, bytes(parked["body"]), "accepted")
    }
    assert state(services, task)[0] is TaskState.SUCCEEDED


def test_a_task_may_adopt_what_was_parked_at_its_own_url(services: Services) -> None:
    task = submitted(services)
    record(services, task, "mine")
    by_token(services, task, done("another"))
    (parked,) = kept(services)
    assert adopt(services, parked["id"], task).verdict is Verdict.ACCEPTED
    assert [(one["verdict"], one["copies"]) for one in kept(services)] == [("accepted", 1)]


def test_a_poll_that_changes_nothing_is_not_kept(services: Services) -> None:
    task = submitted(services)
    account = services.config.account("acedata")
    for percent in (10, 10, 10, 20):
        body = json.dumps(progress(percent)).encode() + str(some_uuid()).encode()
        news = [event("progressed", "job", percent)]
        take_events(services, account, task, news, body=body, source=Source.POLL)
    assert [one["verdict"] for one in kept(services)] == ["accepted", "accepted"]


def test_a_delivery_without_any_event_is_stale(services: Services) -> None:
    task = submitted(services)
    account = services.config.account("acedata")
    assert take_events(services, account, task, [], body=b"", source=Source.CALLBACK).verdict is Verdict.STALE
    assert take_events(services, account, None, [], body=b"", source=Source.CALLBACK).verdict is Verdict.STALE


def test_a_task_of_another_account_is_none_of_this_accounts(services: Services) -> None:
    task = submitted(services)
    taken = by_token(services, task, done("job"), account="second")
    assert (taken.verdict, taken.task_id) == (Verdict.PARKED, None)
    assert state(services, task)[0] is TaskState.SUBMITTING


@pytest.mark.parametrize(
    "said",
    [
        {"x": "\x00\ud800"},
        {"x": "x" * 200_000},
        {"x": [[[[[[[[1]]]]]]]]},
        {"x": 10**39},
        {"x": 1e308},
        {"error": {"code": "é" * 5000, "message": "\u202e"}},
        {"task_id": 10**39},
        {"task_id": "ü" * 200},
        {"task_id": ""},
        {"progress": "99%"},
    ],
)
def test_whatever_a_dialect_reads_can_be_stored(services: Services, said: dict[str, Any]) -> None:
    task = submitted(services)
    assert by_token(services, task, {"progress": 1, **said}).verdict is Verdict.ACCEPTED
    by_hook(services, {"progress": 1, **said})
    assert by_token(services, task, {"success": False, **said}).verdict in (Verdict.ACCEPTED, Verdict.DUPLICATE)
    assert hashlib.sha256(bytes(kept(services)[0]["body"])).digest() == bytes(kept(services)[0]["digest"])


def test_evidence_moves_the_deadline_and_the_next_look(services: Services) -> None:
    task = submitted(services)
    with services.db.connection() as connection:
        before = tasks.get_task(connection, task)
    record(services, task, "job")
    by_token(services, task, progress(10))
    with services.db.connection() as connection:
        after = tasks.get_task(connection, task)
    assert before.deadline_at is not None
    assert after.deadline_at is not None
    assert after.wake_at is not None
    assert after.deadline_at > before.deadline_at
    assert 59 < (after.wake_at - services.now()).total_seconds() <= 60


def test_an_error_of_ours_has_the_same_form_as_a_providers(services: Services) -> None:
    task = submitted(services)
    with services.db.connection() as connection:
        tasks.finish_task(
            connection,
            task,
            TaskState.FAILED,
            from_states=[TaskState.SUBMITTING],
            cause="test",
            now=services.now(),
            error=TaskError("ours", "it is over"),
        )
        assert tasks.get_task(connection, task).error == {"code": "ours", "message": "it is over"}
