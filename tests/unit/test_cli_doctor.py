from __future__ import annotations

from pathlib import Path

import pytest

from ops.cli.doctor import effective, without_password
from orchestrator.config import load

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
