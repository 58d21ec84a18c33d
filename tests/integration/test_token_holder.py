"""What somebody can do who has got hold of the callback address of one task, and what he cannot (docs/security.md)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from stage import ACCOUNT, Stage

from orchestrator.core.run import Task
from orchestrator.core.states import RunState, TaskState, Verdict
from orchestrator.core.tokens import read_token
from orchestrator.errors import BadToken
from orchestrator.store import submissions

MakeStage = Callable[..., Stage]
KEEP = {"grid": {"action": "imagine", "with": {"prompt": "${inputs.prompt}"}}, "keep": {"archive": "grid"}}


def lie(job: str | None = "forged", url: str = "https://evil.example/a.png", **more: Any) -> dict[str, Any]:
    said = {"success": True, "image_url": url, "raw_image_url": url, "image_id": "1", "actions": ["upscale1"]}
    return said | ({"task_id": job} if job else {}) | more


@pytest.fixture
def patient(make_stage: MakeStage) -> Stage:
    """A stage whose provider takes its time."""
    return make_stage({"instant": False})


def submitted(stage: Stage, **more: Any) -> Task:
    """A task that the provider works on."""
    run_id = stage.open(**more)
    stage.work()
    task = stage.task(run_id)
    assert (task.state, bool(task.external_id)) == (TaskState.WAITING, True)
    return task


def unanswered(stage: Stage) -> Task:
    """A task whose submission is on its way: nobody knows its job yet."""
    stage.nudges.lost = ("submit",)
    run_id = stage.open()
    with stage.services.db.connection() as connection:
        claimed = submissions.claim_submission(connection, ACCOUNT, lease=60, now=stage.clock())
    assert claimed is not None
    return stage.task(run_id)


# What he can ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [True, False], ids=["who knows the job", "who names none"])
def test_he_can_end_the_task_that_waits_with_a_result_of_his(patient: Stage, known: bool) -> None:
    """The token is the proof. An account with `callback: poll` believes nobody but the provider's own answers."""
    task = submitted(patient)
    assert patient.deliver(task, lie(task.external_id if known else None)).verdict is Verdict.ACCEPTED
    assert patient.task(task.run_id).state is TaskState.SUCCEEDED


def test_he_can_end_a_task_whose_job_nobody_knows_yet(patient: Stage) -> None:
    task = unanswered(patient)
    assert patient.deliver(task, lie()).verdict is Verdict.ACCEPTED
    assert patient.task(task.run_id).external_id == "forged"


def test_he_is_believed_although_the_answer_to_the_submission_names_another_job(patient: Stage) -> None:
    task = unanswered(patient)
    patient.deliver(task, lie())
    with patient.services.db.connection() as connection:
        submissions.record_submitted(connection, task.id, "the real one", quiet=60, now=patient.clock())
    found = patient.task(task.run_id)
    assert (found.state, found.external_id) == (TaskState.SUCCEEDED, "forged")


# What he cannot ---------------------------------------------------------------------------------------


def test_he_cannot_speak_about_another_task(patient: Stage) -> None:
    one, other = submitted(patient), submitted(patient, prompt="another")
    answer = patient.deliver(one, lie(other.external_id))
    assert answer.verdict is Verdict.PARKED
    assert patient.task(other.run_id).state is patient.task(one.run_id).state is TaskState.WAITING


def test_he_cannot_claim_anothers_job_before_his_own_is_known(patient: Stage) -> None:
    other = submitted(patient)
    task = unanswered(patient)
    assert patient.deliver(task, lie(other.external_id)).verdict is Verdict.PARKED
    assert patient.task(other.run_id).state is TaskState.WAITING


def test_he_cannot_speak_for_another_account_or_after_the_secret_is_gone(patient: Stage) -> None:
    token = patient.callback_token(submitted(patient))
    secrets = patient.services.config.secrets
    assert read_token((b"a newer secret than that", *secrets), ACCOUNT, token)
    for changed in [(secrets, "second"), ((b"a newer secret than that",), ACCOUNT)]:
        with pytest.raises(BadToken):
            read_token(*changed, token)


@pytest.mark.parametrize("success", [True, False])
def test_he_cannot_change_what_has_ended(stage: Stage, success: bool) -> None:
    run_id = stage.open()
    stage.end(run_id)
    before = stage.task(run_id)
    answer = stage.deliver(before, lie(before.external_id, success=success, error={"code": "x", "message": "y"}))
    assert answer.verdict in {Verdict.DUPLICATE, Verdict.LATE}
    assert stage.task(run_id) == before


def test_he_cannot_end_what_was_never_submitted(stage: Stage) -> None:
    stage.nudges.lost = ("submit",)
    run_id = stage.open()
    assert stage.deliver(stage.task(run_id), lie()).verdict is Verdict.PARKED
    assert stage.state(run_id) is TaskState.READY


def test_he_cannot_lead_us_into_our_own_network(make_stage: MakeStage) -> None:
    """What he names as the picture is fetched like any stranger's address."""
    stage = make_stage({"instant": False}, allow_hosts=())
    task = submitted(stage, steps=KEEP)
    stage.deliver(task, lie(task.external_id, url="http://169.254.169.254/latest/meta-data"))
    assert stage.end(task.run_id).state is RunState.FAILED
    assert "not public" in stage.task(task.run_id, "keep").error["message"]  # type: ignore[index]


def test_he_cannot_have_anything_paid_for_twice_nor_end_it_twice(patient: Stage) -> None:
    task = submitted(patient)
    said = [patient.deliver(task, lie(task.external_id)).verdict for _ in range(20)]
    assert said == [Verdict.ACCEPTED] + [Verdict.DUPLICATE] * 19
    patient.sweep()
    assert patient.paid == 1
    assert patient.past(task).count("succeeded") == 1
    assert len(patient.verdicts()) == 1, "a repetition fills no disk"
