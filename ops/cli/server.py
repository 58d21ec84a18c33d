"""Which server a command speaks to, and as whom: the options --url and --token, and what is known without them."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import rich_click as click

from ops.cli.client import Client, address
from ops.cli.settings import Here, here
from orchestrator.config import DEFAULT_PUBLIC_URL
from orchestrator.config.api_tokens import entries
from orchestrator.errors import ConfigError

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def with_server(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options --url and --token, and a ``client`` as its first argument."""

    @click.option("--url", metavar="URL", help="Address of the service [ORCHESTRATOR_URL].")
    @click.option("--token", metavar="TOKEN", help="API token [ORCHESTRATOR_TOKEN].")
    @click.pass_context
    @wraps(command)
    def wrapped(context: click.Context, /, *arguments: Any, url: str | None, token: str | None, **options: Any) -> Any:
        before = context.find_root().params  # both may also stand before the command's name
        client = connect(url or before.get("url"), token or before.get("token"))
        return command(client, *arguments, **options)

    return wrapped


def connect(url: str | None, token: str | None) -> Client:
    """A client of the server that was named, else of the one that runs here. Raises Refused for what is no URL."""
    place = here()
    base = address(url or place.address or os.environ.get("ORCHESTRATOR_PUBLIC_URL") or DEFAULT_PUBLIC_URL)
    return Client(base, token or _own_token(base, place))


def _own_token(base: str, place: Here) -> str | None:
    """A token that this machine has anyway. It is told to no address but this service's own."""
    ours = {place.address, os.environ.get("ORCHESTRATOR_PUBLIC_URL", "").rstrip("/")}
    if base not in ours and not _local(base):
        return None
    return _configured_token() or place.token()


def _configured_token() -> str | None:
    text = os.environ.get("ORCHESTRATOR_API_TOKENS")
    if not text:
        return None
    try:
        known = [entry for entry in entries(text) if entry.token]  # of a hashed one nobody knows the token
    except ConfigError as error:
        raise ConfigError(f"{error}; or name one with --token") from None
    return next((one.token for one in known if one.role == "admin"), known[0].token if known else None)


def _local(base: str) -> bool:
    host = urlsplit(base).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
