"""The configuration as the service of this machine has it: the environment, and what ``up`` keeps in the home."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.supervisor.home import running
from orchestrator.config import Config, load
from orchestrator.config.api_tokens import hashed
from orchestrator.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Here:
    """The home folder of this machine. state: of the supervisor that owns it (see ops.supervisor), if one runs."""

    home: Path
    state: dict[str, Any] | None

    @property
    def address(self) -> str | None:
        """Where the running service answers."""
        return self.state.get("address") if self.state else None

    def service_url(self, name: str) -> str | None:
        """Where one service of it answers, as far as it said so."""
        url = self._service(name).get("url")
        return str(url) if url else None

    def has(self, name: str) -> bool:
        """Whether the supervisor runs this service."""
        return bool(self._service(name).get("pid"))

    def token(self) -> str | None:
        """The API token that ``up`` made."""
        return self.secret("api-token")

    def secret(self, name: str) -> str | None:
        """The content of a file that ``up`` made, if it is there and ours to read."""
        path = self.home / name
        return path.read_text(encoding="ascii").strip() if os.access(path, os.R_OK) else None

    def _service(self, name: str) -> dict[str, Any]:
        found = self.state["services"].get(name) if self.state else None
        return found or {}


def here(home: Path | None = None) -> Here:
    """What there is in ``home``, by default the one that the environment names. Raises ConfigError."""
    folder = (home or load({k: v for k, v in os.environ.items() if k == "ORCHESTRATOR_HOME"}).home).absolute()
    try:
        return Here(folder, running(folder))
    except OSError as error:
        raise ConfigError(f"ORCHESTRATOR_HOME: {folder} cannot be read: {error.strerror}") from error


def environment(place: Here) -> dict[str, str]:
    """The process's environment, completed by what runs in the home: embedded servers, secret, token."""
    values = dict(os.environ) | {"ORCHESTRATOR_HOME": str(place.home)}
    for name, value in _known(place).items():
        if value and not values.get(name):
            values[name] = value
    return values


def _known(place: Here) -> dict[str, str | None]:
    token = place.token()
    return {
        "DATABASE_URL": _postgres(place),
        "BROKER_URL": _broker(place),
        "ORCHESTRATOR_SECRET": place.secret("secret"),
        "ORCHESTRATOR_API_TOKENS": f"local:admin:{hashed(token)}" if token else None,
        "ORCHESTRATOR_PUBLIC_URL": place.address,
    }


# A start on a home whose server runs attaches to it; it goes on running when we end.


def _postgres(place: Here) -> str | None:
    if os.environ.get("DATABASE_URL") or not place.has("postgres"):
        return None
    from ops.embedded import postgres  # noqa: PLC0415 - only where there is one

    return postgres.start(place.home).dsn


def _broker(place: Here) -> str | None:
    if os.environ.get("BROKER_URL") or not place.has("broker"):
        return None
    from ops.embedded import broker  # noqa: PLC0415 - only where there is one

    return broker.start(place.home).url


def settings(home: Path | None = None) -> Config:
    """The checked configuration. Raises ConfigError."""
    return load(environment(here(home)))
