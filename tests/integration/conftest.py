"""The stage, for tests of the workers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest
from stage import Stage, stage

from orchestrator.services import Services

MakeStage = Callable[..., Stage]


@pytest.fixture
def make_stage(make_services: Callable[..., Services]) -> Iterator[MakeStage]:
    """``make_stage(options={...}, slots=2, settle=9)``: the emulator's options; the rest goes to account or config."""
    with ExitStack() as built:

        def make(
            options: dict[str, Any] | None = None, others: Collection[str] | Mapping[str, str] = (), **fields: Any
        ) -> Stage:
            account = {name: fields.pop(name) for name in list(fields) if name in OF_ACCOUNT}
            return built.enter_context(stage(make_services, options or {}, account, fields, others))

        yield make


OF_ACCOUNT = {
    "provider",
    "slots",
    "submits_per_second",
    "modes",
    "mode_limits",
    "callback",
    "stream",
    "quiet",
    "poll",
    "base_url",
}


@pytest.fixture(name="stage")
def _stage(make_stage: MakeStage) -> Stage:
    """A stage with a pushed account and an instant emulator."""
    return make_stage()
