"""A requests session made careful: a failure to connect is certain to be one, and old connections rest."""

from __future__ import annotations

import ssl
import time
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import certifi
import requests
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar
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


class _Adapter(HTTPAdapter):
    """Hands out such connections, for any number of threads; sends once."""

    def __init__(self, per_host: int, tls: ssl.SSLContext | None) -> None:
        self._per_host, self._tls = per_host, tls
        super().__init__(max_retries=0)

    def init_poolmanager(self, *_: Any, **__: Any) -> None:
        self.poolmanager = PoolManager(
            num_pools=32, maxsize=self._per_host, block=False, ca_certs=certifi.where(), ssl_context=self._tls
        )
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def build_connection_pool_key_attributes(self, *_: Any, **__: Any) -> Any:
        parts, _kwargs = super().build_connection_pool_key_attributes(*_, **__)
        return parts, {}  # the trust is the pool manager's, the same for every request


def careful_session(per_host: int, tls: ssl.SSLContext | None) -> requests.Session:
    """A session on such connections; ``tls``: None trusts certifi's authorities. Nothing of the environment counts."""
    session = requests.Session()
    session.trust_env = False
    session.cookies = RequestsCookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
    adapter = _Adapter(per_host, tls)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


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
