"""A database that was restarted costs no delivery."""

from __future__ import annotations

from collections.abc import Callable

from stage import GRID, Stage

from orchestrator.core.states import Verdict


def test_a_delivery_on_a_cut_connection_is_taken_on_another(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage({"instant": False, "latency": 3600})
    run_id = stage.open(GRID)
    stage.work()
    task = stage.task(run_id)
    body = {"success": True, "task_id": task.external_id, "progress": 40, "image_url": "http://127.0.0.1/x.webp"}

    stage.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    assert [stage.deliver(task, body | {"progress": 40 + n}).verdict for n in range(4)] == [Verdict.ACCEPTED] * 4


def test_a_failure_that_quotes_our_callback_url_is_kept_without_its_token(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage({"instant": False, "latency": 3600})
    run_id = stage.open(GRID)
    stage.work()
    task = stage.task(run_id)
    url = f"{stage.services.config.public_url}/callbacks/acedata/{stage.callback_token(task)}"
    error = {"code": "api_error", "message": f"could not reach {url}"}

    stage.deliver(stage.task(run_id), {"success": False, "task_id": task.external_id, "error": error})

    error_kept = str(stage.task(run_id).error)
    assert "could not reach" in error_kept
    assert stage.callback_token(task) not in error_kept
