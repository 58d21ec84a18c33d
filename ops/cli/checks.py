"""What ``orchestrator doctor`` looks at: each check answers with findings, and a finding says what to do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit

import urllib3

from ops.cli.failures import Failure
from orchestrator.archive import open_archive
from orchestrator.broker import Broker, make_app
from orchestrator.config import Config
from orchestrator.errors import BrokerUnavailable, DatabaseUnavailable, OrchestratorError, UnfitDatabase
from orchestrator.spool import Spool
from orchestrator.store.checkup import Checkup, check_up

Level = Literal["ok", "warn", "fail"]
SKEW = (2.0, 30.0)  # seconds between our clock and the database's: worth a warning, and too much for signed times


@dataclass(frozen=True, slots=True)
class Finding:
    """subject: what was looked at. detail: what was found. advice: what to do, unless it is well."""

    subject: str
    level: Level
    detail: str
    advice: str | None = None


def check_all(config: Config) -> Iterator[Finding]:
    """Every finding, in the order in which troubles are best mended."""
    for check in CHECKS:
        yield from check(config)


def _secret(config: Config) -> Iterator[Finding]:
    if config.secrets:
        yield Finding("secret", "ok", f"{len(config.secrets)} for signing and checking callback URLs")
    else:
        advice = "set ORCHESTRATOR_SECRET to at least 16 random characters; `orchestrator up` makes one"
        yield Finding("secret", "fail", "none, so that no callback URL can be signed", advice)


def _api_tokens(config: Config) -> Iterator[Finding]:
    if config.api_tokens:
        named = ", ".join(f"{token.name} ({token.role})" for token in config.api_tokens)
        yield Finding("API tokens", "ok", named)
    else:
        advice = "set ORCHESTRATOR_API_TOKENS=name:admin:<token>; `orchestrator up` makes one"
        yield Finding("API tokens", "warn", "none, so that nobody can use the API", advice)


def _accounts(config: Config) -> Iterator[Finding]:
    if config.accounts:
        named = ", ".join(f"{one.name} ({one.provider}, {one.slots} slots)" for one in config.accounts.values())
        yield Finding("accounts", "ok", named)
    else:
        advice = "set ACEDATA_TOKEN or ORCHESTRATOR_ACCOUNTS; what a running service has: `orchestrator providers list`"
        yield Finding("accounts", "warn", "none in this environment", advice)


def _database(config: Config) -> Iterator[Finding]:
    if not config.database_url:
        advice = "set DATABASE_URL, or start the embedded one with `orchestrator up`"
        yield Finding("database", "fail", "DATABASE_URL is not set, and no embedded one runs in the home", advice)
        return
    try:
        checkup = check_up(config.database_url)
    except UnfitDatabase as error:
        yield Finding("database", "fail", error.message, "see docs/postgres.md")
        return
    except OrchestratorError as error:
        away = isinstance(error, DatabaseUnavailable)
        advice = "is it running, and are user and password right?" if away else "correct DATABASE_URL"
        yield Finding("database", "fail", error.message, advice)
        return
    yield Finding("database", "ok", f"Postgres {checkup.version} answers")
    yield _schema(checkup)
    yield _skew((datetime.now(UTC) - checkup.now).total_seconds())


def _schema(checkup: Checkup) -> Finding:
    if checkup.missing:
        return Finding("schema", "fail", f"it lacks {', '.join(checkup.missing)}", "run `orchestrator migrate`")
    if checkup.unknown:
        detail = f"version skew: {', '.join(checkup.unknown)} is of a later version than this program"
        return Finding("schema", "warn", detail, "upgrade this program too (docs/upgrading.md)")
    return Finding("schema", "ok", "up to date")


def _skew(seconds: float) -> Finding:
    size = abs(seconds)
    level: Level = "ok" if size < SKEW[0] else "warn" if size < SKEW[1] else "fail"
    if level == "ok":
        return Finding("clock", "ok", f"{size:.1f} s off the database's")
    way = "ahead of" if seconds > 0 else "behind"
    return Finding("clock", level, f"{size:.0f} s {way} the database's", "synchronise both clocks (NTP)")


def _broker(config: Config) -> Iterator[Finding]:
    if not config.broker_url:
        advice = "set BROKER_URL, or start the embedded one with `orchestrator up`"
        yield Finding("broker", "fail", "BROKER_URL is not set, and no embedded one runs in the home", advice)
        return
    try:
        Broker(make_app(config.broker_url)).ping(5)
    except BrokerUnavailable as error:
        detail = _one_line(error.__cause__ or error)
        yield Finding("broker", "fail", detail, "is it running, and are user and password right?")
    except (KeyError, ValueError, ImportError):  # kombu's ways to say that it has no such transport
        yield Finding("broker", "fail", "BROKER_URL is not one that Celery can use", "use amqp://... or redis://...")
    else:
        yield Finding("broker", "ok", "it answers")


def _public_url(config: Config) -> Iterator[Finding]:
    url = config.public_url
    try:
        answer = urllib3.request("GET", f"{url}/healthz", timeout=5.0, retries=False, redirect=False)
    except urllib3.exceptions.HTTPError:
        advice = "start the service (`orchestrator up`), or correct ORCHESTRATOR_PUBLIC_URL"
        yield Finding("public URL", "fail", f"{url} does not answer", advice)
        return
    if answer.status != 200:
        advice = "does ORCHESTRATOR_PUBLIC_URL lead to this service?"
        yield Finding("public URL", "fail", f"{url}/healthz answers {answer.status}", advice)
    else:
        yield Finding("public URL", "ok", f"{url} answers")
    yield from _reachable_from_outside(config)


def _reachable_from_outside(config: Config) -> Iterator[Finding]:
    """A provider elsewhere cannot call back to an address of this machine."""
    elsewhere = [one.name for one in config.accounts.values() if one.pushes and not _local(one.base_url)]
    if elsewhere and _local(config.public_url):
        advice = "set ORCHESTRATOR_PUBLIC_URL to an address that it reaches, or the account's callback to poll"
        detail = f"{config.public_url} cannot be reached by the provider of {', '.join(elsewhere)}: results come late"
        yield Finding("callbacks", "warn", detail, advice)


def _archive(config: Config) -> Iterator[Finding]:
    if not config.home.exists() and config.archive_url.startswith(f"file://{config.home}/"):
        yield Finding("archive", "ok", f"{config.archive_url} is made with the home, by `orchestrator up`")
        return
    try:
        open_archive(config.archive_url).check()
    except OrchestratorError as error:
        yield Finding("archive", "fail", error.message, "correct ORCHESTRATOR_ARCHIVE_URL or the rights on it")
    else:
        yield Finding("archive", "ok", f"{config.archive_url} is writable")


def _home(config: Config) -> Iterator[Finding]:
    if os.access(config.home, os.W_OK) or not config.home.exists():
        return
    yield Finding("home", "fail", f"{config.home} is not writable", "correct its owner, or set ORCHESTRATOR_HOME")


def _spool(config: Config) -> Iterator[Finding]:
    """Deliveries on this machine's disk. While the service runs and the database answers there is none for long."""
    spool = Spool(config.home / "spool", config.spool_size)
    depth = spool.depth()
    if depth.aside:
        advice = f"see the log for why, then `orchestrator callbacks spool --retry` or remove *.bad in {spool.folder}"
        yield Finding("spool", "warn", f"{depth.aside} files could not be taken or read and were set aside", advice)
    try:
        spool.check()
    except OrchestratorError as error:
        yield Finding("spool", "fail", error.message, "bring the database back, or raise ORCHESTRATOR_SPOOL_SIZE")
        return
    if depth.since:
        seconds = (datetime.now(UTC) - depth.since).total_seconds()
        detail = f"{depth.deliveries} deliveries wait for the database, the oldest for {seconds:.0f} s"
        yield Finding("spool", "warn", detail, "is the service running, and does its database take writes?")
    elif not depth.aside:
        yield Finding("spool", "ok", "empty")


def _local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _one_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def raise_failed(findings: list[Finding]) -> None:
    """Raises Failure when a finding is one."""
    failed = [finding.subject for finding in findings if finding.level == "fail"]
    if failed:
        raise Failure(f"to be mended: {', '.join(failed)}")


CHECKS: tuple[Callable[[Config], Iterator[Finding]], ...] = (
    _home,
    _spool,
    _secret,
    _api_tokens,
    _accounts,
    _database,
    _broker,
    _archive,
    _public_url,
)
