"""Accounts: from a provider's own variables, and from the YAML file that ORCHESTRATOR_ACCOUNTS names."""

from __future__ import annotations

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
MODES = ("fast", "relax", "turbo")
MODE = 64  # characters of a mode's name, by which the database finds what is ready in it
PROVIDERS = ("acedata", "mjproxy", "imagineapi")
CREDENTIALS = {"acedata": "ACEDATA_TOKEN", "mjproxy": "MJPROXY_SECRET", "imagineapi": "IMAGINEAPI_TOKEN"}
# Behind a gateway, and without a hook entered in the provider's dashboard, callbacks of these never come.
DEFAULT_CALLBACK: Mapping[str, Callback] = {"acedata": "push", "mjproxy": "both", "imagineapi": "both"}
DEFAULT_BASE_URL = {"acedata": "https://api.acedata.cloud", "imagineapi": "https://cl.imagineapi.dev"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of one mode, within the account's own. slots: in flight at once. None is unlimited."""

    slots: int | None = None
    submits_per_second: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A provider with a base URL, credentials and limits.

    slots: submissions in flight at once. submits_per_second: None is unlimited. callback: how results come back.
    modes: what ``mode`` may be; mode_limits: of those that have limits of their own.
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
    modes: tuple[str, ...] = MODES
    mode_limits: Mapping[str, Limits] = field(default_factory=dict)
    callback: Callback = "push"
    stream: bool = False
    quiet: float = 120.0
    poll: float = 8.0
    prices: Mapping[str, float] = field(default_factory=dict)

    @property
    def pushes(self) -> bool:
        return self.callback != "poll"

    @property
    def default_mode(self) -> str:
        """The mode for which a submission counts that names none."""
        return "fast" if "fast" in self.modes or not self.modes else self.modes[0]

    def pause_after(self, mode: str | None) -> float:
        """Seconds until the account may take another submission of this mode; 0 without a rate."""
        limits = self.mode_limits.get(mode or self.default_mode, Limits())
        return max(1 / rate if rate else 0.0 for rate in (self.submits_per_second, limits.submits_per_second))


def accounts(values: Mapping[str, str]) -> dict[str, Account]:
    """Every account of an environment by its name. Raises ConfigError."""
    found: dict[str, Account] = {}
    path = values.get("ORCHESTRATOR_ACCOUNTS")
    if path:
        found.update(_accounts_file(Path(path), values))
    for provider, variable in CREDENTIALS.items():
        base_url = values.get(f"{provider.upper()}_BASE_URL") or DEFAULT_BASE_URL.get(provider)
        if values.get(variable) and provider not in found:
            if not base_url:
                raise ConfigError(f"{provider.upper()}_BASE_URL: needed because {variable} is set")
            base_url = url(f"{provider.upper()}_BASE_URL", base_url)
            found[provider] = Account(
                name=provider,
                provider=provider,
                base_url=base_url,
                token=values[variable],
                callback=DEFAULT_CALLBACK[provider],
            )
    return found


_ACCOUNT_KEYS = frozenset(Account.__dataclass_fields__) - {"mode_limits"}
_LIMITS = {"slots": 1, "submits_per_second": 0.001}  # the least that each may be


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
    listed = [_account(f"{path}: account {number}", entry, values) for number, entry in enumerate(entries, 1)]
    named: dict[str, Account] = {}
    for number, account in enumerate(listed, 1):
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
    fields["base_url"] = url(
        f"{where}: base_url", str(fields.get("base_url") or DEFAULT_BASE_URL.get(fields["provider"], ""))
    )
    fields.setdefault("callback", DEFAULT_CALLBACK[fields["provider"]])
    fields["token"] = _expand(where, str(fields.get("token", "")), values)
    fields["modes"], fields["mode_limits"] = _modes(where, fields.get("modes", list(MODES)))
    _check_kinds(where, fields)
    for key, low in (("slots", 1), ("quiet", 0), ("poll", 0), ("submits_per_second", 0.001)):
        if key in fields and not _is_number(fields[key], low):
            raise ConfigError(f"{where}: {key}: {fields[key]!r} is not a number of at least {low}")
    fields["prices"] = _prices(where, fields.get("prices") or {})
    return Account(**fields)


def _modes(where: str, modes: Any) -> tuple[tuple[str, ...], dict[str, Limits]]:
    """The modes, a list or a mapping to limits, and the limits of those that have some."""
    if not isinstance(modes, list | dict) or not all(isinstance(mode, str) for mode in modes):
        raise ConfigError(f"{where}: modes: {modes!r} is not a list of words, or a mapping of words to limits")
    if any(len(mode) > MODE for mode in modes):
        raise ConfigError(f"{where}: modes: a mode's name has at most {MODE} characters")
    limits = modes if isinstance(modes, dict) else {}
    return tuple(modes), {mode: _limits(f"{where}: modes: {mode}", its) for mode, its in limits.items() if its}


def _limits(where: str, given: Any) -> Limits:
    if not isinstance(given, dict):
        raise ConfigError(f"{where}: {given!r} is not a mapping; allowed: {', '.join(_LIMITS)}")
    for key, value in given.items():
        if key not in _LIMITS:
            raise ConfigError(f"{where}: unknown key {key!r}; allowed: {', '.join(_LIMITS)}")
        if not _is_number(value, _LIMITS[key]):
            raise ConfigError(f"{where}: {key}: {value!r} is not a number of at least {_LIMITS[key]}")
    _check_slots(where, given)
    return Limits(**given)


def _check_kinds(where: str, fields: Mapping[str, Any]) -> None:
    if not isinstance(fields.get("stream", False), bool):
        raise ConfigError(f"{where}: stream: {fields['stream']!r}; allowed: true, false")
    _check_slots(where, fields)


def _check_slots(where: str, fields: Mapping[str, Any]) -> None:
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


def url(variable: str, text: str) -> str:
    """The text, without a slash at its end, if it is an http or https URL. Raises ConfigError naming the variable."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(f"{variable}: {text!r} is not an http or https URL")
    return text.rstrip("/")
