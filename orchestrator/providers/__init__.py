"""The dialects of image APIs, by name. ``base`` has the contract."""

from __future__ import annotations

from orchestrator.errors import ConfigError
from orchestrator.providers.acedata import AceData
from orchestrator.providers.base import Dialect
from orchestrator.providers.imagineapi import ImagineAPI
from orchestrator.providers.mjproxy import MjProxy

DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in (AceData(), MjProxy(), ImagineAPI())}


def dialect(name: str) -> Dialect:
    """The dialect of that name; raises ConfigError naming those that exist."""
    try:
        return DIALECTS[name]
    except KeyError:
        raise ConfigError(f"there is no provider {name!r}; known: {', '.join(sorted(DIALECTS))}") from None
