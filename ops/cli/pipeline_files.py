"""Pipelines in files: read, checked offline, and sent to the service."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ops.cli.client import Client
from ops.cli.failures import Refused
from orchestrator import loader

SUFFIXES = frozenset({".yaml", ".yml", ".json"})
Capabilities = Mapping[str, frozenset[str]]


def checked(path: Path, capabilities: Capabilities | None = None) -> dict[str, Any]:
    """The document in a file. Raises Refused, InvalidPipeline with every problem."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise Refused(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Refused(f"{path}: it is not UTF-8 text") from error
    return _parsed(text, str(path), capabilities)


def shipped(name: str) -> dict[str, Any] | None:
    """The document of a pipeline that comes with the program."""
    text = loader.shipped().get(name)
    return None if text is None else _parsed(text, name, None)


def push(client: Client, document: Mapping[str, Any]) -> dict[str, Any]:
    """Store a document; the pipeline as the service has it now."""
    stored: dict[str, Any] = client.put("v1", "pipelines", str(document["pipeline"]), body=document)
    return stored


def _parsed(text: str, where: str, capabilities: Capabilities | None) -> dict[str, Any]:
    document = loader.read(text, where)
    loader.parse(document, where=where, capabilities=capabilities)
    return document
