"""kombu's Redis transport, mended in one point: whoever uses a channel whose connection is over is told so.

When the connection is lost while a worker is busy, kombu closes it twice, and a job that ends later acknowledges its
message on the channel of before. kombu 5.7 meets no connection there and raises AttributeError ("'NoneType' object has
no attribute 'hostname'"), which nobody expects: the worker ended, and what it had in hand with it. Said as a lost
connection it is what both are prepared for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis


class Channel(redis.Channel):
    """One that knows that its connection is over."""

    @contextmanager
    def conn_or_acquire(self, client: Any = None) -> Iterator[Any]:
        """A client to talk to the server with. Raises ConnectionError, one of the transport's connection errors."""
        if client is None and self.connection.client is None:
            raise ConnectionError("the connection of this channel is over")
        with super().conn_or_acquire(client) as found:
            yield found


class Transport(redis.Transport):
    """The transport of redis:// and redis+socket:// in this process, once ``use`` was called."""

    Channel = Channel


def use() -> None:
    """Have every connection to a Redis server made by this module. (A setting of Celery's reaches no URL with a +.)"""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{Transport.__module__}:{Transport.__qualname__}"
