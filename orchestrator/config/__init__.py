"""The configuration: one frozen object, read once from the environment and wholly checked before anything starts.

Only this module reads the environment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from orchestrator.config.accounts import Account, Limits, accounts, url
from orchestrator.config.api_tokens import ROLES, ApiToken, Role, api_tokens
from orchestrator.config.keep import Keep, keep
from orchestrator.config.rates import API_RATE, CALLBACK_RATE, HOOK_RATE, rates
from orchestrator.core.rate import Rate
from orchestrator.errors import ConfigError

__all__ = ["DEFAULT_PUBLIC_URL", "ROLES", "Account", "ApiToken", "Config", "Keep", "Limits", "Role", "load"]

SUBMIT_TIMEOUT, SETTLE = 30.0, 45.0
DEFAULT_PUBLIC_URL = "http://127.0.0.1:8080"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything that can be set, checked. Times in seconds, sizes in bytes."""

    home: Path
    database_url: str | None = field(repr=False, default=None)
    broker_url: str | None = field(repr=False, default=None)
    public_url: str = DEFAULT_PUBLIC_URL
    secrets: tuple[bytes, ...] = field(repr=False, default=())
    api_tokens: tuple[ApiToken, ...] = ()
    archive_url: str = ""
    allow_hosts: tuple[str, ...] = ()
    accounts: Mapping[str, Account] = field(default_factory=dict)
    scorers: Mapping[str, str] = field(default_factory=dict)
    max_body: int = 2 * 1024 * 1024
    spool_size: int = 256 * 1024 * 1024
    max_image: int = 64 * 1024 * 1024
    max_pixels: int = 80_000_000
    submit_timeout: float = SUBMIT_TIMEOUT
    settle: float = SETTLE
    sweep_every: float = 2.0
    callback_rate: Rate | None = CALLBACK_RATE
    hook_rate: Rate | None = HOOK_RATE
    api_rate: Rate | None = API_RATE
    reads_at_once: int = 3
    writes_at_once: int = 3
    read_timeout: float = 5.0
    max_open_runs: int = 200_000
    keep: Keep = field(default_factory=Keep)
    drain: float = 20.0  # that a worker has for what is in hand when it is asked to end

    def account(self, name: str) -> Account:
        """The account of that name; raises ConfigError naming those that exist."""
        try:
            return self.accounts[name]
        except KeyError:
            known = ", ".join(sorted(self.accounts)) or "none is configured"
            raise ConfigError(f"there is no account {name!r} (known: {known})") from None

    def hidden(self) -> Iterator[str]:
        """What must not be seen anywhere: our secrets, the accounts' tokens, the passwords of our servers."""
        yield from (secret.decode() for secret in self.secrets)
        yield from (account.token for account in self.accounts.values())
        for address in (self.database_url, self.broker_url):
            password = re.match(r"[^:/]+://[^:/@]*:(.+)@", address or "")
            if password:
                yield from {password[1], unquote(password[1])}

    def callback_url(self, account: str, token: str) -> str:
        return f"{self.public_url.rstrip('/')}/callbacks/{account}/{token}"


def load(environment: Mapping[str, str] | None = None) -> Config:
    """Read and check the configuration. Raises ConfigError naming the variable, what was read and what is allowed."""
    values = os.environ if environment is None else environment
    home = _home(values.get("ORCHESTRATOR_HOME") or "~/.local/share/orchestrator")
    return Config(
        home=home,
        database_url=values.get("DATABASE_URL") or None,
        broker_url=values.get("BROKER_URL") or None,
        public_url=url("ORCHESTRATOR_PUBLIC_URL", values.get("ORCHESTRATOR_PUBLIC_URL") or DEFAULT_PUBLIC_URL),
        secrets=_secrets(values.get("ORCHESTRATOR_SECRET", "")),
        api_tokens=api_tokens(values.get("ORCHESTRATOR_API_TOKENS", "")),
        archive_url=values.get("ORCHESTRATOR_ARCHIVE_URL") or f"file://{home / 'archive'}",
        allow_hosts=_words(values.get("ORCHESTRATOR_ALLOW_HOSTS", "")),
        accounts=accounts(values),
        scorers=_pairs("ORCHESTRATOR_SCORERS", values.get("ORCHESTRATOR_SCORERS", "")),
        **rates(values),
        keep=keep(values),
        **_numbers(values),
    )


_NUMBERS: dict[str, tuple[str, type[int] | type[float], float, float]] = {
    "max_body": ("ORCHESTRATOR_MAX_BODY", int, 1024, 2**30),
    "spool_size": ("ORCHESTRATOR_SPOOL_SIZE", int, 1024, 2**40),
    "max_image": ("ORCHESTRATOR_MAX_IMAGE", int, 1024, 2**32),
    "max_pixels": ("ORCHESTRATOR_MAX_PIXELS", int, 1024, 2**32),
    "submit_timeout": ("ORCHESTRATOR_SUBMIT_TIMEOUT", float, 0.1, 3600),
    "settle": ("ORCHESTRATOR_SETTLE", float, 0, 86400),
    "sweep_every": ("ORCHESTRATOR_SWEEP_EVERY", float, 0.1, 60),
    "reads_at_once": ("ORCHESTRATOR_READS_AT_ONCE", int, 1, 64),
    "writes_at_once": ("ORCHESTRATOR_WRITES_AT_ONCE", int, 1, 64),
    "read_timeout": ("ORCHESTRATOR_READ_TIMEOUT", float, 0.1, 15),
    "max_open_runs": ("ORCHESTRATOR_MAX_OPEN_RUNS", int, 1, 10**9),
    "drain": ("ORCHESTRATOR_DRAIN", float, 0, 3600),
}


def _numbers(values: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, (variable, kind, low, high) in _NUMBERS.items():
        raw = values.get(variable)
        if not raw:
            continue
        try:
            number = kind(raw)
        except ValueError:
            raise ConfigError(f"{variable}: {raw!r} is not a number") from None
        if not low <= number <= high:
            raise ConfigError(f"{variable}: {raw} is out of range; allowed: {low:g} to {high:g}")
        found[name] = number
    settle, submit = found.get("settle", SETTLE), found.get("submit_timeout", SUBMIT_TIMEOUT)
    if settle <= submit:
        # Else a worker that still waits for its answer could be taken for one whose request never arrived.
        raise ConfigError(
            f"ORCHESTRATOR_SETTLE: {settle:g} is not above ORCHESTRATOR_SUBMIT_TIMEOUT, which is {submit:g}"
        )
    return found


def _home(text: str) -> Path:
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:
        raise ConfigError(f"ORCHESTRATOR_HOME: {text} has no meaning for this user; allowed: a folder's path") from None


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in re.split(r"[,\s]+", text) if word)


def _pairs(variable: str, text: str) -> dict[str, str]:
    pairs = [word.partition("=") for word in _words(text)]
    for name, equals, _ in pairs:
        if not equals:
            raise ConfigError(f"{variable}: {name!r} is not of the form name=url")
    return {name: value for name, _, value in pairs}


def _secrets(text: str) -> tuple[bytes, ...]:
    secrets = tuple(part.strip().encode() for part in text.split(",") if part.strip())
    if any(len(secret) < 16 for secret in secrets):
        raise ConfigError("ORCHESTRATOR_SECRET: each secret needs at least 16 characters")
    return secrets
