"""urllib3's connections, made careful: a failure to connect is certain to be one, and old connections rest."""

from __future__ import annotations

import ssl
import time
from typing import Any

import certifi
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NameResolutionError

IDLE = 4.0  # seconds; servers commonly close idle connections after five and more


class NoConnection(Exception):
    """No connection came about. No class that urllib3 catches, so it passes through as it is."""


class _Careful:
    """What both connection classes add: a failure to connect is told apart, and an idle connection is not reused."""

    _used = 0.0

    def connect(self) -> None:
        try:
            super().connect()  # type: ignore[misc]  # mixed into urllib3's connections only
        except (HTTPError, OSError, ValueError) as error:
            raise NoConnection(_unreachable(error)) from error
        self._used = time.monotonic()

    @property
    def is_connected(self) -> bool:
        # A server may close an idle connection at the very moment it is reused, and then nobody knows whether the
        # request was read. Young connections make that rare.
        return bool(super().is_connected) and time.monotonic() - self._used < IDLE  # type: ignore[misc]  # as above

    def getresponse(self) -> Any:
        response = super().getresponse()  # type: ignore[misc]  # as above
        self._used = time.monotonic()
        return response


class _Connection(_Careful, HTTPConnection):
    pass


class _TlsConnection(_Careful, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


def careful_pools(per_host: int, tls: ssl.SSLContext | None) -> PoolManager:
    """Pools of such connections, for any number of threads; ``tls``: None trusts certifi's authorities."""
    manager = PoolManager(num_pools=32, maxsize=per_host, block=False, ca_certs=certifi.where(), ssl_context=tls)
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
    return manager


def _unreachable(error: Exception) -> str:
    if isinstance(error, NameResolutionError):
        return "the host name cannot be resolved"
    if isinstance(error.__cause__, ConnectionRefusedError):
        return "the connection was refused"
    if isinstance(error, ConnectTimeoutError | TimeoutError):
        return "the connection could not be made in time"
    if isinstance(error, ssl.SSLError):
        return f"no TLS connection: {error.reason or 'failed'}"
    return "no connection could be made"
