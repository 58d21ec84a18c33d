"""The stored pipelines: checked before they are kept, versioned, never changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orchestrator import loader
from orchestrator.services import Services
from orchestrator.store import pipelines


@dataclass(frozen=True, slots=True)
class Pushed:
    """name and version that hold the document; new: whether the version was made now."""

    name: str
    version: int
    new: bool


def push(services: Services, document: dict[str, Any], *, where: str) -> Pushed:
    """Check a document against the configured accounts and keep it. Raises InvalidPipeline."""
    pipeline = loader.parse(document, where=where, capabilities=services.capabilities())
    return _keep(services, pipeline.name, document)


def push_shipped(services: Services) -> list[Pushed]:
    """Keep the pipelines that come with the program; accounts are not looked at, they may be configured later."""
    documents = [loader.read(text, f"{name}.yaml") for name, text in loader.shipped().items()]
    return [_keep(services, document["pipeline"], document) for document in documents]


def _keep(services: Services, name: str, document: dict[str, Any]) -> Pushed:
    with services.db.connection() as connection:
        newest = pipelines.newest_version(connection, name)
        version = pipelines.put_pipeline(connection, name, document, now=services.now())
    return Pushed(name, version, version > newest)
