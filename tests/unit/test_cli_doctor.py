from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from ops.cli.checks import CHECKS
from ops.cli.doctor import effective, without_password
from ops.cli.providers import hook
from orchestrator.config import load
from orchestrator.core.tokens import read_token

SECRETS = {
    "DATABASE_URL": "postgresql://me:hush-db@db.test/x?sslpassword=hush-tls",
    "BROKER_URL": "redis://:hush-broker@db.test/0",
    "ORCHESTRATOR_SECRET": "hush-first-secret,hush-second-secret",
    "ORCHESTRATOR_API_TOKENS": "ops:admin:hush-0123456789abcdef",
    "ACEDATA_TOKEN": "hush-provider",
    "ACEDATA_BASE_URL": "https://me:hush-base@api.test",
    "ORCHESTRATOR_SCORERS": "mine=https://me:hush-scorer@score.test/?token=hush-query",
}


def test_no_secret_is_shown(tmp_path: Path) -> None:
    shown = effective(load(SECRETS | {"ORCHESTRATOR_HOME": str(tmp_path)}))

    assert "hush" not in str(shown)
    assert shown["DATABASE_URL"] == "postgresql://me:********@db.test/x?sslpassword=********"
    assert shown["ORCHESTRATOR_API_TOKENS"] == "ops:admin:********"


def test_looking_makes_no_home(tmp_path: Path) -> None:
    findings = list(CHECKS["archive"](load({"ORCHESTRATOR_HOME": str(tmp_path / "home")})))

    assert [finding.level for finding in findings] == ["ok"]
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (None, "not set"),
        ("amqp://me:a@b@host//", "amqp://me:********@host//"),
        ("host=h password='a b' user=u", "host=h password=******** user=u"),
        ("redis://host/0", "redis://host/0"),
    ],
)
def test_passwords_in_urls_are_masked(url: str | None, expected: str) -> None:
    assert without_password(url) == expected


def test_the_hook_of_an_account_is_an_address_the_receiver_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path))
    monkeypatch.setenv("ORCHESTRATOR_SECRET", "a-secret-of-sixteen")
    monkeypatch.setenv("IMAGINEAPI_TOKEN", "a-token")
    monkeypatch.setenv("ORCHESTRATOR_PUBLIC_URL", "https://hooks.test")

    shown = CliRunner().invoke(hook, ["imagineapi"]).output.strip()

    assert shown.startswith("https://hooks.test/callbacks/imagineapi/")
    assert read_token((b"a-secret-of-sixteen",), "imagineapi", shown.rpartition("/")[2]) is None
