"""How long things are kept: what may be written, and what is said of what may not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ops.cli.doctor import effective
from orchestrator.config import Keep, load
from orchestrator.config.keep import variable, written
from orchestrator.errors import ConfigError

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("text", "time"),
    [("7d", 7 * DAY), ("36h", 1.5 * DAY), ("1d12h", 1.5 * DAY), ("86400", DAY), ("forever", None)],
)
@pytest.mark.parametrize("name", Keep.__dataclass_fields__)
def test_a_time_is_read(name: str, text: str, time: timedelta | None) -> None:
    keep = load({variable(name): text}).keep
    assert keep == Keep(**{name: time})


@pytest.mark.parametrize("text", ["soon", "-1d", "0", "59m", "for ever", "1e3d", "9" * 30])
@pytest.mark.parametrize("name", Keep.__dataclass_fields__)
def test_what_is_no_time_or_too_short_is_refused(name: str, text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load({variable(name): text})
    assert refused.value.message.startswith(variable(name))
    assert "forever" in refused.value.message


def test_runs_are_kept_for_a_day_at_least() -> None:
    with pytest.raises(ConfigError, match="1d or longer"):
        load({"ORCHESTRATOR_KEEP_RUNS": "2h"})


def test_the_doctor_shows_them() -> None:
    shown = effective(load({"ORCHESTRATOR_KEEP_RUNS": "forever", "ORCHESTRATOR_KEEP_HISTORY": "36h"}))
    assert {name: shown[variable(name)] for name in Keep.__dataclass_fields__} == {
        "bodies": "30d",
        "callbacks": "90d",
        "strays": "30d",
        "history": "36h",
        "keys": "30d",
        "runs": "forever",
    }


@pytest.mark.parametrize("text", ["30d", "36h", "90m", "61s", "0.5s", "forever"])
def test_a_time_is_written_as_it_is_read(text: str) -> None:
    if text == "forever":
        assert written(None) == text
    else:
        units = {"d": 86400, "h": 3600, "m": 60, "s": 1}
        assert written(timedelta(seconds=float(text[:-1]) * units[text[-1]])) == text
