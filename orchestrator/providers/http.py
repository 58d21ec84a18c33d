"""One HTTP request to a provider, sent at most once, and what is known about it afterwards.

The whole difference that matters: ``NotSent`` is certain (the connection never came about), ``Lost`` is not (the
request went out, wholly or in part, and no readable answer came back).
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import requests
from requests.exceptions import InvalidHeader, InvalidSchema, InvalidURL, MissingSchema, RequestException
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError, ReadTimeoutError

from orchestrator.providers.connections import NoConnection, careful_session

USER_AGENT = "midjourney-orchestrator"
MAX_ANSWER = 2 * 1024 * 1024
MAX_LINE = 1024 * 1024
_CHUNK = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """timeout: seconds of silence that are borne. total: seconds for everything; the same when None."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False, default=None)
    timeout: float = 30.0
    total: float | None = None
    limit: int = MAX_ANSWER

    @property
    def patience(self) -> float:
        return self.timeout if self.total is None else self.total


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Opened:
    """An answer whose body is still coming. ``lines`` raises BrokenOff when it ends too early."""

    status: int
    headers: Mapping[str, str]
    lines: Iterator[bytes]


@dataclass(frozen=True, slots=True)
class NotSent:
    """The request is known not to have left. hopeless: it never will with this address and these headers."""

    reason: str
    hopeless: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """Nobody knows whether the request was worked on."""

    reason: str


class BrokenOff(Exception):
    """The body ended before its end, was too long, or took too long."""


class Transport:
    """Connections shared by all threads. No retry, no redirect, no proxy or credentials from the environment."""

    def __init__(self, *, connect_timeout: float = 10.0, per_host: int = 32, tls: ssl.SSLContext | None = None) -> None:
        self._connect_timeout = connect_timeout
        self._per_host = per_host
        self._tls = tls
        self._owner = 0
        self._session = requests.Session()

    def send(self, request: Request) -> Answer | NotSent | Lost:
        """Send once and read the whole answer."""
        response = self._open(request)
        if isinstance(response, NotSent | Lost):
            return response
        try:
            body = _whole(_pieces(response, request), request.limit)
        except BrokenOff as error:
            return Lost(str(error))
        finally:
            _finish(response)
        return Answer(response.status, _headers(response), body)

    @contextmanager
    def opened(self, request: Request) -> Iterator[Opened | NotSent | Lost]:
        """Send once and read the answer line by line while it comes."""
        response = self._open(request)
        if isinstance(response, NotSent | Lost):
            yield response
            return
        try:
            yield Opened(response.status, _headers(response), _lines(_pieces(response, request)))
        finally:
            _finish(response)

    def _open(self, request: Request) -> BaseHTTPResponse | NotSent | Lost:
        headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **request.headers}
        if not all(value.isascii() and value.isprintable() for value in headers.values()):
            return NotSent("a header (the account's token?) has characters that no header may have", hopeless=True)
        prepared = requests.PreparedRequest()
        try:
            prepared.prepare(method=request.method, url=request.url, headers=headers, data=request.body)
            patience = (self._connect_timeout, request.timeout)
            response = self._careful().send(prepared, stream=True, timeout=patience, allow_redirects=False)
        except NoConnection as error:
            return NotSent(str(error))
        except (InvalidURL, InvalidSchema, MissingSchema, InvalidHeader):
            return NotSent("the address is not a valid URL", hopeless=True)
        except (RequestException, HTTPError, OSError) as error:
            return Lost(_lost(error, request.timeout))
        raw: BaseHTTPResponse = response.raw
        return raw

    def _careful(self) -> requests.Session:
        if self._owner != os.getpid():  # a forked process must not write into its parent's connections
            self._session, self._owner = careful_session(self._per_host, self._tls), os.getpid()
        return self._session


def _finish(response: BaseHTTPResponse) -> None:
    """Close what was not read to its end; a connection whose answer was is back in the pool by now."""
    response.close()
    response.release_conn()


def _headers(response: BaseHTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _pieces(response: BaseHTTPResponse, request: Request) -> Iterator[bytes]:
    deadline = time.monotonic() + request.patience
    while True:
        try:
            piece = response.read1(_CHUNK, decode_content=True)
        except (HTTPError, OSError) as error:
            raise BrokenOff(_lost(error, request.timeout)) from error
        if not piece:
            return
        yield piece
        if time.monotonic() > deadline:
            raise BrokenOff(f"the answer was not complete after {request.patience:g} s")


def _whole(pieces: Iterator[bytes], limit: int) -> bytes:
    body = bytearray()
    for piece in pieces:
        body += piece
        if len(body) > limit:
            raise BrokenOff(f"the answer is longer than {limit} bytes")
    return bytes(body)


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *complete, rest = (rest + piece).split(b"\n")
        yield from (line for line in complete if line.strip())
        if len(rest) > MAX_LINE:
            raise BrokenOff(f"a line is longer than {MAX_LINE} bytes")
    if rest.strip():
        yield rest


def _lost(error: Exception, timeout: float) -> str:
    if isinstance(error, ReadTimeoutError | TimeoutError | requests.Timeout):
        return f"no answer within {timeout:g} s"
    return "the connection was closed before a complete answer"
