"""The configuration: one frozen object, read once from the environment and wholly checked before anything starts.

This is the only module that reads the environment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import yaml

from orchestrator.core.actions import ACTIONS
from orchestrator.errors import ConfigError

Callback = Literal["push", "poll", "both"]
Role = Literal["viewer", "operator", "admin"]
PROVIDERS = ("acedata", "mjproxy", "imagineapi")
ROLES: tuple[Role, ...] = ("viewer", "operator", "admin")
CREDENTIALS = {"acedata": "ACEDATA_TOKEN", "mjproxy": "MJPROXY_SECRET", "imagineapi": "IMAGINEAPI_TOKEN"}
SUBMIT_TIMEOUT, SETTLE = 30.0, 45.0
# Behind a gateway, and without a hook entered in the provider's dashboard, callbacks of these never come.
DEFAULT_CALLBACK: Mapping[str, Callback] = {"acedata": "push", "mjproxy": "both", "imagineapi": "both"}
DEFAULT_PUBLIC_URL = "http://127.0.0.1:8080"
DEFAULT_BASE_URL = {"acedata": "https://api.acedata.cloud", "imagineapi": "https://cl.imagineapi.dev"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A provider with a base URL, credentials and limits.

    slots: submissions in flight at once. submits_per_second: None is unlimited. callback: how results come back.
    stream: ask for progress frames (as several POSTs when pushed, read by the worker when polled).
    prices: of an accepted action, in any unit, so that runs can say what they cost.
    quiet: seconds of silence after which a pushed task is polled. poll: seconds between polls of a polled task.
    """

    name: str
    provider: str
    base_url: str
    token: str = field(repr=False, default="")
    slots: int = 5
    submits_per_second: float | None = None
    modes: tuple[str, ...] = ("fast", "relax", "turbo")
    callback: Callback = "push"
    stream: bool = False
    quiet: float = 120.0
    poll: float = 8.0
    prices: Mapping[str, float] = field(default_factory=dict)

    @property
    def pushes(self) -> bool:
        return self.callback != "poll"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    name: str
    role: Role
    token: str = field(repr=False)


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

    def account(self, name: str) -> Account:
        """The account of that name; raises ConfigError naming those that exist."""
        try:
            return self.accounts[name]
        except KeyError:
            known = ", ".join(sorted(self.accounts)) or "none is configured"
            raise ConfigError(f"there is no account {name!r} (known: {known})") from None

    def callback_url(self, account: str, token: str) -> str:
        return f"{self.public_url.rstrip('/')}/callbacks/{account}/{token}"


def load(environment: Mapping[str, str] | None = None) -> Config:
    """Read and check the configuration. Raises ConfigError naming the variable, what was read and what is allowed."""
    values = dict(os.environ if environment is None else environment)
    home = _home(values.get("ORCHESTRATOR_HOME") or "~/.local/share/orchestrator")
    return Config(
        home=home,
        database_url=values.get("DATABASE_URL") or None,
        broker_url=values.get("BROKER_URL") or None,
        public_url=_url("ORCHESTRATOR_PUBLIC_URL", values.get("ORCHESTRATOR_PUBLIC_URL") or DEFAULT_PUBLIC_URL),
        secrets=_secrets(values.get("ORCHESTRATOR_SECRET", "")),
        api_tokens=_api_tokens(values.get("ORCHESTRATOR_API_TOKENS", "")),
        archive_url=values.get("ORCHESTRATOR_ARCHIVE_URL") or f"file://{home / 'archive'}",
        allow_hosts=_words(values.get("ORCHESTRATOR_ALLOW_HOSTS", "")),
        accounts=_accounts(values),
        scorers=_pairs("ORCHESTRATOR_SCORERS", values.get("ORCHESTRATOR_SCORERS", "")),
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


def _url(variable: str, text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(f"{variable}: {text!r} is not an http or https URL")
    return text.rstrip("/")


def _secrets(text: str) -> tuple[bytes, ...]:
    secrets = tuple(part.strip().encode() for part in text.split(",") if part.strip())
    if any(len(secret) < 16 for secret in secrets):
        raise ConfigError("ORCHESTRATOR_SECRET: each secret needs at least 16 characters")
    return secrets


def _api_tokens(text: str) -> tuple[ApiToken, ...]:
    tokens = []
    for number, part in enumerate((p.strip() for p in text.split(",") if p.strip()), 1):
        name, _, rest = part.partition(":")
        role, _, token = rest.partition(":")
        if role not in ROLES or not name or len(token) < 16:
            # The entry itself is a secret: it is named by its number only.
            raise ConfigError(
                f"ORCHESTRATOR_API_TOKENS: entry {number} is not name:role:token with a role of "
                f"{', '.join(ROLES)} and a token of at least 16 characters"
            )
        tokens.append(ApiToken(name=name, role=role, token=token))
    return tuple(tokens)


def _accounts(values: Mapping[str, str]) -> dict[str, Account]:
    found: dict[str, Account] = {}
    path = values.get("ORCHESTRATOR_ACCOUNTS")
    if path:
        found.update(_accounts_file(Path(path), values))
    for provider, variable in (
        ("acedata", "ACEDATA_TOKEN"),
        ("mjproxy", "MJPROXY_SECRET"),
        ("imagineapi", "IMAGINEAPI_TOKEN"),
    ):
        base_url = values.get(f"{provider.upper()}_BASE_URL") or DEFAULT_BASE_URL.get(provider)
        if values.get(variable) and provider not in found:
            if not base_url:
                raise ConfigError(f"{provider.upper()}_BASE_URL: needed because {variable} is set")
            base_url = _url(f"{provider.upper()}_BASE_URL", base_url)
            found[provider] = Account(
                name=provider,
                provider=provider,
                base_url=base_url,
                token=values[variable],
                callback=DEFAULT_CALLBACK[provider],
            )
    return found


_ACCOUNT_KEYS = frozenset(Account.__dataclass_fields__)


def _accounts_file(path: Path, values: Mapping[str, str]) -> dict[str, Account]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"ORCHESTRATOR_ACCOUNTS: {path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        # Its message quotes the line, and there may be a token in it.
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"ORCHESTRATOR_ACCOUNTS: {path}{place}: it is not YAML") from None
    entries = document.get("accounts") if isinstance(document, dict) else document
    if not isinstance(entries, list):
        raise ConfigError(f"ORCHESTRATOR_ACCOUNTS: {path}: expected a list of accounts")
    accounts = [_account(f"{path}: account {number}", entry, values) for number, entry in enumerate(entries, 1)]
    named: dict[str, Account] = {}
    for number, account in enumerate(accounts, 1):
        if account.name in named:
            raise ConfigError(f"{path}: account {number}: name: {account.name!r} stands there twice")
        named[account.name] = account
    return named


def _account(where: str, entry: Any, values: Mapping[str, str]) -> Account:
    if not isinstance(entry, dict):
        raise ConfigError(f"{where}: expected a mapping, found {type(entry).__name__}")
    unknown = sorted(set(entry) - _ACCOUNT_KEYS, key=str)
    if unknown:
        raise ConfigError(f"{where}: unknown key {unknown[0]!r}; allowed: {', '.join(sorted(_ACCOUNT_KEYS))}")
    fields = dict(entry)
    name = str(fields.get("name", ""))
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", name):
        raise ConfigError(f"{where}: name: {name!r} is not lower-case letters, digits, - and _")
    if fields.get("provider") not in PROVIDERS:
        raise ConfigError(f"{where}: provider: {fields.get('provider')!r}; allowed: {', '.join(PROVIDERS)}")
    if fields.get("callback", "push") not in ("push", "poll", "both"):
        raise ConfigError(f"{where}: callback: {fields['callback']!r}; allowed: push, poll, both")
    fields["base_url"] = _url(
        f"{where}: base_url", str(fields.get("base_url") or DEFAULT_BASE_URL.get(fields["provider"], ""))
    )
    fields.setdefault("callback", DEFAULT_CALLBACK[fields["provider"]])
    fields["token"] = _expand(where, str(fields.get("token", "")), values)
    fields["modes"] = _modes(where, fields)
    _check_kinds(where, fields)
    for key, low in (("slots", 1), ("quiet", 0), ("poll", 0), ("submits_per_second", 0.001)):
        if key in fields and not _is_number(fields[key], low):
            raise ConfigError(f"{where}: {key}: {fields[key]!r} is not a number of at least {low}")
    fields["prices"] = _prices(where, fields.get("prices") or {})
    return Account(**fields)


def _modes(where: str, fields: Mapping[str, Any]) -> tuple[str, ...]:
    modes = fields.get("modes", ["fast", "relax", "turbo"])
    if not isinstance(modes, list) or not all(isinstance(mode, str) for mode in modes):
        raise ConfigError(f"{where}: modes: {modes!r} is not a list of words")
    return tuple(modes)


def _check_kinds(where: str, fields: Mapping[str, Any]) -> None:
    if not isinstance(fields.get("stream", False), bool):
        raise ConfigError(f"{where}: stream: {fields['stream']!r}; allowed: true, false")
    if not isinstance(fields.get("slots", 1), int):
        raise ConfigError(f"{where}: slots: {fields['slots']!r} is not a whole number")


def _is_number(value: Any, least: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value < inf


def _prices(where: str, prices: Any) -> dict[str, float]:
    if not isinstance(prices, dict):
        raise ConfigError(f"{where}: prices: {prices!r} is not a mapping of actions to prices")
    for action, price in prices.items():
        if action not in ACTIONS:
            raise ConfigError(f"{where}: prices: unknown action {action!r}; allowed: {', '.join(ACTIONS)}")
        if not _is_number(price, 0):
            raise ConfigError(f"{where}: prices: {action}: {price!r} is not a number of at least 0")
    return dict(prices)


def _expand(where: str, text: str, values: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise ConfigError(f"{where}: token: the variable {match[1]} is not set")
        return values[match[1]]

    return re.sub(r"\$\{(\w+)\}", value, text)
