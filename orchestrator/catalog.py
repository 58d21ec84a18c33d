"""The stored pipelines: checked before they are kept, versioned, never changed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from orchestrator import loader
from orchestrator.core.pipeline import Pipeline
from orchestrator.services import Services
from orchestrator.store import Connection, pipelines


@dataclass(frozen=True, slots=True)
class Pushed:
    """name and version that hold the document; new: whether the version was made now."""

    name: str
    version: int
    new: bool


def push(services: Services, document: dict[str, Any], *, where: str) -> Pushed:
    """Check a document and keep it. Raises InvalidPipeline."""
    return _keep(services, check(services, document, where=where).name, document)


def check(services: Services, document: dict[str, Any], *, where: str) -> Pipeline:
    """The pipeline in a document that fits the configured accounts and scorers. Raises InvalidPipeline."""
    known = _scorers(*services.config.scorers)
    return loader.parse(document, where=where, capabilities=services.capabilities(), scorers=known)


def push_shipped(services: Services) -> list[Pushed]:
    """Keep those pipelines that come with the program whose name is free; a user's own of the same name stays.

    Accounts are not looked at: they may be configured later.
    """
    with services.db.connection() as connection:
        missing = {name: text for name, text in loader.shipped().items() if not _known(connection, name)}
    return [_keep(services, name, loader.read(text, f"{name}.yaml")) for name, text in missing.items()]


def _known(connection: Connection, name: str) -> bool:
    return pipelines.newest_version(connection, name) > 0


def _keep(services: Services, name: str, document: dict[str, Any]) -> Pushed:
    with services.db.connection() as connection:
        newest = pipelines.newest_version(connection, name)
        version = pipelines.put_pipeline(connection, name, document, now=services.now())
    return Pushed(name, version, version > newest)


@cache
def _scorers(*configured: str) -> frozenset[str]:
    """Their names, without loading them: who stores pipelines never looks at pictures."""
    return frozenset({"quality", *configured, *(one.name for one in entry_points(group="orchestrator.scorers"))})
