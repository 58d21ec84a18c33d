"""The API does what its OpenAPI document says, for requests made from that document, right and wrong ones."""

from __future__ import annotations

import pytest
from caller import Caller

from ops.fuzz.requests import attack

EXAMPLES = 2


@pytest.fixture
def busy(web: Caller) -> Caller:
    """A service in which there is something of everything."""
    web.open_run()
    web.deliver(web.submit(), "callback_failure")
    return web


def ids(web: Caller) -> dict[str, str]:
    (run,), (callback,) = web.get("/v1/runs")["items"], web.get("/v1/callbacks")["items"]
    (task,) = run["tasks"]
    account, token = web.hook(task["id"]).split("/")[-2:]
    known = {"run_id": run["id"], "task_id": task["id"], "callback_id": callback["id"], "name": "tested"}
    return {**known, "account": account, "token": token}


@pytest.mark.timeout(300)
def test_requests_about_what_is_there(busy: Caller) -> None:
    found = attack(busy.http.application, seed=1, examples=EXAMPLES, token="admin-token-0123", ids=ids(busy))

    assert found.wrong == []
    assert found.counts["status"].keys() >= {"200", "400", "404", "405", "409", "415", "422"}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("role", ["viewer", "operator", None])
def test_requests_of_those_who_may_do_less(busy: Caller, role: str | None) -> None:
    before = busy.get("/v1/runs"), busy.get("/v1/callbacks")

    token = f"{role}-token-0123" if role else None
    found = attack(busy.http.application, seed=2, examples=1, token=token)

    assert found.wrong == []
    assert ("403" if role else "401") in found.counts["status"]
    if role != "operator":
        assert (busy.get("/v1/runs"), busy.get("/v1/callbacks")) == before
