"""What the command line says of the spool."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner

from ops.cli.callbacks import callbacks
from ops.cli.checks import CHECKS, Finding
from orchestrator.config import Config, load
from orchestrator.spool import Delivery, Spool


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path))
    return load()


@pytest.fixture
def spool(config: Config) -> Spool:
    return Spool(config.home / "spool", config.spool_size)


def delivery() -> Delivery:
    now = datetime.now(UTC)
    return Delivery(id=uuid4(), account="a", task_id=None, content_type=None, received_at=now, body=b"{}")


def findings(config: Config) -> list[Finding]:
    return list(CHECKS["spool"](config))


def shown(*options: str) -> dict[str, object]:
    result = CliRunner().invoke(callbacks, ["spool", "--json", *options])
    assert result.exit_code == 0, result.output
    found: dict[str, object] = json.loads(result.stdout)
    return found


def test_an_empty_spool_is_well(config: Config) -> None:
    assert findings(config) == [Finding("spool", "ok", "empty")]
    assert shown() == {"deliveries": 0, "bytes": 0, "since": None, "aside": 0, "folder": str(config.home / "spool")}


def test_what_waits_is_a_warning(config: Config, spool: Spool) -> None:
    spool.append(delivery())
    (found,) = findings(config)
    assert (found.level, found.detail[:12]) == ("warn", "1 deliveries")
    assert shown()["deliveries"] == 1
    assert "deliveries  1" in CliRunner().invoke(callbacks, ["spool"]).output


def test_what_was_set_aside_is_a_warning_until_it_is_tried_again(config: Config, spool: Spool) -> None:
    spool.append(delivery())
    for segment in spool.claim():
        segment.remove()
    spool.set_aside(delivery())
    assert [(one.level, "--retry" in str(one.advice)) for one in findings(config)] == [("warn", True)]
    assert (shown()["aside"], shown("--retry")["deliveries"], shown()["aside"]) == (1, 1, 0)


def test_a_full_spool_is_to_be_mended(config: Config, spool: Spool) -> None:
    spool.append(delivery())
    used = spool.depth().bytes
    (found,) = findings(load({"ORCHESTRATOR_HOME": str(config.home), "ORCHESTRATOR_SPOOL_SIZE": str(max(1024, used))}))
    assert found.level == "warn"
    for _ in range(4):
        spool.append(delivery())
    (found,) = findings(load({"ORCHESTRATOR_HOME": str(config.home), "ORCHESTRATOR_SPOOL_SIZE": "1024"}))
    assert (found.level, "full" in found.detail) == ("fail", True)
