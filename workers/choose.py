"""Choose one of four: by a scorer, or by asking a person."""

from __future__ import annotations

from typing import Any

from orchestrator.core.run import Task
from orchestrator.core.states import TaskState
from orchestrator.errors import DownloadFailed
from orchestrator.imaging.ranking import Ranking
from orchestrator.imaging.scorers import load_scorer
from orchestrator.services import Services
from orchestrator.store import tasks

SCORER_TIMEOUT = 20.0


def choose(services: Services, task: Task) -> bool:
    """Whether the task is over; False while a person is asked."""
    by = task.params.get("by", "quality")
    if by == "person":
        with services.db.connection() as connection:
            tasks.ask_person(connection, task.id, now=services.now(), claim=task.submissions)
        return False
    result = _fixed(by) or _ranked(services, task, str(by))
    with services.db.connection() as connection:
        return tasks.finish_task(
            connection,
            task.id,
            TaskState.SUCCEEDED,
            from_states=[TaskState.WORKING],
            cause="chosen",
            now=services.now(),
            result=result,
            claim=task.submissions,
        )


def _fixed(by: str | int) -> dict[str, Any] | None:
    """A choice that needs no picture (after a person did not answer)."""
    if by == "all":
        return {"by": "all", "quadrants": [1, 2, 3, 4]}
    return {"by": by, "quadrant": by} if isinstance(by, int) else None


def _ranked(services: Services, task: Task, by: str) -> dict[str, Any]:
    parent = task.params["parent"]
    scorer = load_scorer(by, http=services.config.scorers, post=services.downloader.post_json, timeout=SCORER_TIMEOUT)
    # The original picture, never the thumbnail: compression hides what is judged.
    url = parent["result"].get("raw_image_url") or parent["result"].get("image_url")
    if not url:
        raise DownloadFailed("the job to choose from has no image", retryable=False)
    ranking = scorer.rank(services.downloader.get(url).data, _prompt(services, task))
    return _result(by, ranking)


def _result(by: str, ranking: Ranking) -> dict[str, Any]:
    facts = ranking.to_json()
    return {"by": by, "quadrant": facts.pop("best"), "scores": facts.pop("quadrants"), **facts}


def _prompt(services: Services, task: Task) -> str:
    with services.db.connection() as connection:
        for ancestor in tasks.lineage(connection, task.id):
            prompt = ancestor.params.get("with", {}).get("prompt")
            if prompt:
                return str(prompt)
    return ""
