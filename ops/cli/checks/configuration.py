"""What has to be configured."""

from __future__ import annotations

from collections.abc import Iterator

from ops.cli.checks.finding import Finding
from orchestrator.config import Config


def check_secret(config: Config) -> Iterator[Finding]:
    if config.secrets:
        yield Finding("secret", "ok", f"{len(config.secrets)} for signing and checking callback URLs")
    else:
        advice = "set ORCHESTRATOR_SECRET to at least 16 random characters; `orchestrator up` makes one"
        yield Finding("secret", "fail", "none, so that no callback URL can be signed", advice)


def check_api_tokens(config: Config) -> Iterator[Finding]:
    if config.api_tokens:
        named = ", ".join(f"{token.name} ({token.role})" for token in config.api_tokens)
        yield Finding("API tokens", "ok", named)
    else:
        advice = "set ORCHESTRATOR_API_TOKENS=name:admin:<token>; `orchestrator up` makes one"
        yield Finding("API tokens", "warn", "none, so that nobody can use the API", advice)


def check_accounts(config: Config) -> Iterator[Finding]:
    if config.accounts:
        named = ", ".join(f"{one.name} ({one.provider}, {one.slots} slots)" for one in config.accounts.values())
        yield Finding("accounts", "ok", named)
    else:
        advice = "set ACEDATA_TOKEN or ORCHESTRATOR_ACCOUNTS; what a running service has: `orchestrator providers list`"
        yield Finding("accounts", "warn", "none in this environment", advice)
