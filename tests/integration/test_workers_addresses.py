"""An order that would lead the provider to an inner address is never sent."""

from __future__ import annotations

from collections.abc import Callable

from stage import Stage


def test_an_order_with_an_inner_address_is_refused_before_it_is_sent(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage()
    steps = {"grid": {"action": "imagine", "with": {"prompt": "${inputs.image} ${inputs.prompt}"}}}
    run = stage.end(stage.open(steps, image="http://169.254.169.254/latest"))
    assert run.state == "failed"
    assert stage.code(run.id) == "invalid_order"
    assert "169.254.169.254" in stage.task(run.id).error["message"]
    assert stage.asked() == 0
