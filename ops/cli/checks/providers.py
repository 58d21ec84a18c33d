"""The providers: is each reached, does it take our token, and what time does it have. Nothing is paid for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import urllib3

from ops.cli.checks import clock
from ops.cli.checks.finding import Finding
from orchestrator.config import Account, Config
from orchestrator.errors import OrchestratorError
from orchestrator.providers import dialect

PATIENCE = 5.0  # seconds
ROUGH = 1.5  # seconds: an HTTP date has no parts of a second


def check(config: Config) -> Iterator[Finding]:
    for account in config.accounts.values():
        try:
            said = dialect(account.provider).ping(account)
        except OrchestratorError as error:
            advice = f"correct the account's token or base_url; then `orchestrator providers check {account.name}`"
            yield Finding("provider", "fail", f"{account.name}: {error.message}", advice)
        else:
            yield Finding("provider", "ok", f"{account.name}: {said}")
        yield from _clock(account)


def _clock(account: Account) -> Iterator[Finding]:
    """By the Date of any answer; nothing is said where there is none."""
    began = datetime.now(UTC)
    try:
        answer = urllib3.request("HEAD", account.base_url, timeout=PATIENCE, retries=False, redirect=False)
        told = parsedate_to_datetime(answer.headers["Date"])
    except (urllib3.exceptions.HTTPError, KeyError, ValueError):
        return
    now = datetime.now(UTC)
    slack = ROUGH + (now - began).total_seconds()
    yield clock.judge("provider's clock", f"the clock at {account.name}", (now - told).total_seconds(), slack)
