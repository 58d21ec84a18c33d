"""The public URL: asked from here, as a provider would, and whether it is this very installation that answers."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit
from uuid import UUID

import urllib3

from ops.cli.checks.finding import Finding
from orchestrator.config import Config
from orchestrator.core.identity import PROCESS, PROOF, QUESTION, challenge, proves
from orchestrator.errors import DatabaseUnavailable
from orchestrator.store.processes import alone, list_processes

PATIENCE = 5.0  # seconds


def check(config: Config) -> Iterator[Finding]:
    yield _asked(config)
    yield from _reachable_from_outside(config)


def _asked(config: Config) -> Finding:
    url, nonce = config.public_url, secrets.token_hex(16)
    question = {QUESTION: challenge(config.secrets[0], nonce)} if config.secrets else {}
    try:
        answer = urllib3.request(
            "GET", f"{url}/healthz", headers=question, timeout=PATIENCE, retries=False, redirect=False
        )
    except urllib3.exceptions.SSLError as error:
        advice = "its certificate is not trusted here, nor, probably, by providers: renew it, with the whole chain"
        return Finding("public URL", "fail", f"{url}: {str(error).partition('(')[0].strip() or 'TLS'}", advice)
    except urllib3.exceptions.HTTPError:
        advice = "start the service (`orchestrator up`), or correct ORCHESTRATOR_PUBLIC_URL, DNS, firewall or proxy"
        return Finding("public URL", "fail", f"{url} does not answer", advice)
    lead = "does ORCHESTRATOR_PUBLIC_URL lead to this service, and the proxy to its port?"
    if answer.status != 200:
        return Finding("public URL", "fail", f"{url}/healthz answers {answer.status}", lead)
    if not _is_ours(answer.data):
        return Finding("public URL", "fail", f"{url} answers, but not as this service does", lead)
    return _known(config, nonce, answer.headers.get(PROCESS, ""), answer.headers.get(PROOF, ""))


def _is_ours(body: bytes) -> bool:
    try:
        return bool(json.loads(body) == {"status": "ok"})
    except ValueError:
        return False


def _known(config: Config, nonce: str, process: str, proof: str) -> Finding:
    """Whether who answers knows our secret, and works on our database."""
    url = config.public_url
    if not any(proves(secret, nonce, process, proof) for secret in config.secrets):
        advice = (
            "give web and workers the same ORCHESTRATOR_SECRET, or correct ORCHESTRATOR_PUBLIC_URL;"
            " does the proxy pass the headers Orchestrator-*?"
        )
        detail = f"{url} answers, but does not know our secret: it is another installation, or has another secret"
        return Finding("public URL", "fail", detail, advice)
    if config.database_url and not _at_work(config.database_url, UUID(process)):
        detail = f"{url} answers with our secret, but works on another database, or has not found this one yet"
        return Finding("public URL", "fail", detail, "give all processes the same DATABASE_URL; then ask again")
    return Finding("public URL", "ok", f"{url} answers, and is this installation")


def _at_work(database_url: str, process: UUID) -> bool:
    """Whether the process has told this database that it lives; yes, where that cannot be known."""
    try:
        with alone(database_url) as connection:
            return process in {row["id"] for row in list_processes(connection)}
    except DatabaseUnavailable:
        return True  # it is said elsewhere


def _reachable_from_outside(config: Config) -> Iterator[Finding]:
    """A provider elsewhere cannot call back to an address of this machine."""
    elsewhere = [one.name for one in config.accounts.values() if one.pushes and not _local(one.base_url)]
    if elsewhere and _local(config.public_url):
        advice = "set ORCHESTRATOR_PUBLIC_URL to an address that it reaches, or the account's callback to poll"
        detail = f"{config.public_url} cannot be reached by the provider of {', '.join(elsewhere)}: results come late"
        yield Finding("callbacks", "warn", detail, advice)


def _local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
