"""A client of the web application: asks as somebody of a role, and plays the provider's and the workers' part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

from werkzeug.test import TestResponse

from orchestrator.advance import advance
from orchestrator.core.tokens import account_token, task_token
from orchestrator.services import Services
from orchestrator.store import submissions, tasks
from orchestrator.web import create_app

DELIVERIES = Path(__file__).parent / "fixtures/acedata/deliveries"
PIPELINE: dict[str, Any] = {
    "pipeline": "tested",
    "description": "A picture, and a person who chooses.",
    "inputs": {"prompt": {"type": "string", "required": True}},
    "account": "acedata",
    "steps": {
        "grid": {"action": "imagine", "with": {"prompt": "${inputs.prompt}"}},
        "best": {"choose": "quadrant", "of": "grid", "by": "person"},
        "single": {"action": "upscale", "of": "best"},
    },
}
PROBLEM = {"type", "title", "status", "detail"}


class Caller:
    def __init__(self, services: Services) -> None:
        self.services = services
        self.http = create_app(services).test_client()

    def ask(self, method: str, path: str, *, role: str | None = "admin", **options: Any) -> TestResponse:
        """The answer, whatever it is. role: whose token is shown, if any."""
        headers = {"Authorization": f"Bearer {role}-token-0123"} if role else {}
        headers |= options.pop("headers", {})
        return self.http.open(path, method=method, headers=headers, **options)

    def get(self, path: str, **query: Any) -> Any:
        """The body of a good answer."""
        return self._good(self.ask("GET", path, role="viewer", query_string=query))

    def post(self, path: str, body: Any = None) -> Any:
        return self._good(self.ask("POST", path, role="operator", json=body))

    def refused(self, status: int, method: str, path: str, **options: Any) -> Any:
        """The problem document of a refusal."""
        answer = self.ask(method, path, **options)
        assert answer.status_code == status, answer.text
        assert answer.content_type == "application/problem+json"
        problem = json.loads(answer.data)
        assert set(problem) >= PROBLEM
        assert problem["status"] == status
        return problem

    @staticmethod
    def _good(answer: TestResponse) -> Any:
        assert answer.status_code in {200, 201}, answer.text
        return answer.json

    # What is there ------------------------------------------------------------------------------------

    def put_pipeline(self, **changes: Any) -> Any:
        document = PIPELINE | changes
        return self._good(self.ask("PUT", f"/v1/pipelines/{document['pipeline']}", json=document))

    def open_run(self, prompt: str = "a red fox", **order: Any) -> Any:
        self.put_pipeline()
        return self.post("/v1/runs", {"pipeline": "tested", "inputs": {"prompt": prompt}, **order})

    def task(self, run: Any, step: str) -> Any:
        """The newest attempt of a step."""
        return [one for one in self.get(f"/v1/runs/{run['id']}")["tasks"] if one["step"] == step][-1]

    # What workers and providers do ----------------------------------------------------------------------

    def submit(self, external_id: str = "job-1") -> UUID:
        """The next ready task is sent, and the provider has it."""
        with self.services.db.connection() as connection:
            task = submissions.claim_submission(connection, "acedata", lease=60, now=self.services.now())
            assert task is not None
            submissions.record_submitted(connection, task.id, external_id, quiet=60, now=self.services.now())
        return task.id

    def doubt(self) -> UUID:
        """The next ready task is sent, and nobody knows whether it arrived."""
        now = self.services.now()
        with self.services.db.connection() as connection:
            task = submissions.claim_submission(connection, "acedata", lease=60, now=now)
            assert task is not None
            submissions.doubt_submission(connection, task.id, "the answer was lost", wake_at=now, now=now)
        return task.id

    def ask_person(self) -> None:
        """The next local act is to ask a person."""
        now = self.services.now()
        with self.services.db.connection() as connection:
            task = tasks.claim_act(connection, lease=60, now=now)
            assert task is not None
            tasks.ask_person(connection, task.id, now=now)

    def advance(self, run: Any) -> None:
        advance(self.services, UUID(run["id"]))

    def hook(self, task_id: Any = None, account: str = "acedata") -> str:
        """The path that a provider posts to: the task's, or the account's own."""
        secrets = self.services.config.secrets
        token = task_token(secrets, account, UUID(str(task_id))) if task_id else account_token(secrets, account)
        return f"/callbacks/{account}/{token}"

    def deliver(self, to: Any = None, name: str = "callback_success", job: str = "job-1") -> TestResponse:
        """A recorded delivery about a job arrives at a task's hook, or at the account's own."""
        document = json.loads((DELIVERIES / f"{name}.json").read_text()) | {"task_id": job}
        return self.http.post(self.hook(to), json=document)
