"""``orchestrator doctor``."""

from __future__ import annotations

import re
from dataclasses import asdict

import rich_click as click
from rich.text import Text

from ops.cli import display
from ops.cli.checks import Finding, check_all, raise_failed
from ops.cli.listing import json_option
from ops.cli.settings import environment, here
from ops.embedded.failure import EmbeddedError
from orchestrator.config import Account, Config, Keep, load
from orchestrator.config.keep import variable, written
from orchestrator.config.rates import shown
from orchestrator.errors import ConfigError

MASK = "********"


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Show the configuration, secrets masked, and check what it leads to. Ends with 1 when something must be mended."""
    try:
        place = here()
        config = load(environment(place))
    except (ConfigError, EmbeddedError) as error:
        findings = [_unreadable(error)]
        _report({}, findings, as_json=as_json)
        raise_failed(findings)
        return
    findings = [Finding("configuration", "ok", "it can be read"), *check_all(config, place)]
    _report(effective(config), findings, as_json=as_json)
    raise_failed(findings)


def _unreadable(error: ConfigError | EmbeddedError) -> Finding:
    if isinstance(error, ConfigError):
        return Finding("configuration", "fail", error.message, "correct the environment")
    return Finding("embedded servers", "fail", str(error), "stop and start `orchestrator up`")


def effective(config: Config) -> dict[str, str]:
    """Every setting by its variable's name, with what is secret masked."""
    accounts = [_account(one) for one in config.accounts.values()]
    return {
        "ORCHESTRATOR_HOME": str(config.home),
        "DATABASE_URL": without_password(config.database_url),
        "BROKER_URL": without_password(config.broker_url),
        "ORCHESTRATOR_PUBLIC_URL": without_password(config.public_url),
        "ORCHESTRATOR_SECRET": ", ".join(MASK for _ in config.secrets) or "not set",
        "ORCHESTRATOR_API_TOKENS": ", ".join(f"{t.name}:{t.role}:{MASK}" for t in config.api_tokens) or "not set",
        "ORCHESTRATOR_ARCHIVE_URL": without_password(config.archive_url),
        "ORCHESTRATOR_ALLOW_HOSTS": ", ".join(config.allow_hosts) or "none",
        "ORCHESTRATOR_SCORERS": ", ".join(f"{k}={without_password(v)}" for k, v in config.scorers.items()) or "none",
        "ORCHESTRATOR_ACCOUNTS": "\n".join(accounts) or "none",
        "ORCHESTRATOR_MAX_BODY": f"{config.max_body} bytes",
        "ORCHESTRATOR_SPOOL_SIZE": f"{config.spool_size} bytes",
        "ORCHESTRATOR_MAX_IMAGE": f"{config.max_image} bytes",
        "ORCHESTRATOR_MAX_PIXELS": f"{config.max_pixels} pixels",
        "ORCHESTRATOR_SUBMIT_TIMEOUT": f"{config.submit_timeout:g} s",
        "ORCHESTRATOR_SETTLE": f"{config.settle:g} s",
        "ORCHESTRATOR_SWEEP_EVERY": f"{config.sweep_every:g} s",
        "ORCHESTRATOR_CALLBACK_RATE": shown(config.callback_rate),
        "ORCHESTRATOR_HOOK_RATE": shown(config.hook_rate),
        "ORCHESTRATOR_API_RATE": shown(config.api_rate),
        "ORCHESTRATOR_READS_AT_ONCE": str(config.reads_at_once),
        "ORCHESTRATOR_WRITES_AT_ONCE": str(config.writes_at_once),
        "ORCHESTRATOR_READ_TIMEOUT": f"{config.read_timeout:g} s",
        "ORCHESTRATOR_MAX_OPEN_RUNS": str(config.max_open_runs),
        **{variable(name): written(getattr(config.keep, name)) for name in Keep.__dataclass_fields__},
        "ORCHESTRATOR_DRAIN": f"{config.drain:g} s",
    }


def without_password(url: str | None) -> str:
    """A URL, or libpq's ``key=value`` words, with passwords and all query values but harmless ones masked."""
    if not url:
        return "not set"
    if "://" not in url:
        return re.sub(r"(password\s*=\s*)('(?:[^'\\]|\\.)*'|\S+)", rf"\1{MASK}", url)
    # Up to the last @, as a password may contain one.
    masked = re.sub(r"^([\w+.-]+://[^:/?#@]*):.*@", rf"\1:{MASK}@", url)
    return re.sub(r"((?:password|token|secret|key|sig\w*)=)[^&]*", rf"\1{MASK}", masked, flags=re.IGNORECASE)


def _account(one: Account) -> str:
    where = f"{one.name}: {one.provider} at {without_password(one.base_url)}"
    return f"{where}, token {_masked(one.token)}, {one.slots} slots, {one.callback}"


def _masked(secret: str) -> str:
    return MASK if secret else "not set"


def _report(configuration: dict[str, str], findings: list[Finding], *, as_json: bool) -> None:
    if as_json:
        display.show_json(
            {"configuration": configuration, "checks": [asdict(one) | {"meaning": one.meaning} for one in findings]}
        )
        return
    if configuration:
        display.show_facts(configuration)
        click.echo()
    rows = [(display.state(one.level), one.subject, _told(one)) for one in findings]
    display.show_findings(rows)


def _told(finding: Finding) -> Text:
    if finding.level == "ok":
        return Text(finding.detail)
    meaning = f"\n  {finding.meaning}" if finding.meaning else ""
    advice = f"\n→ {finding.advice}" if finding.advice else ""
    return Text.assemble(finding.detail, (meaning, "dim"), (advice, "bold"))
