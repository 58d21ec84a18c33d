"""A worker with a clock that is wrong pauses no account for longer than it is meant to be, and frees none early."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from orchestrator.core.events import Refused, TaskError
from orchestrator.services import Services
from orchestrator.store.clock import Clock, utc_now
from workers.health import CREDENTIALS, note_refusal

REFUSED = Refused(TaskError("used_up", "no quota is left"), account=True)


@pytest.mark.parametrize("minutes", [-20, 20])
def test_a_pause_is_as_long_as_it_is_meant_to_be(make_services: Callable[..., Services], minutes: int) -> None:
    def wrong() -> datetime:
        return utc_now() + timedelta(minutes=minutes)

    services = make_services()
    services.db.clock = Clock(wrong)
    services.now = services.db.clock.now

    for _ in range(CREDENTIALS.most):
        note_refusal(services, "acedata", REFUSED)

    with services.db.connection() as connection:
        row = connection.execute(
            "SELECT paused_until - clock_timestamp() AS pause FROM accounts WHERE name = 'acedata'"
        )
        pause = row.fetchall()[0]["pause"]
    assert timedelta(seconds=CREDENTIALS.first - 100) < pause <= timedelta(seconds=CREDENTIALS.first)
