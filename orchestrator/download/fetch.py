"""GET an image, POST a JSON question: over ``Wire``, with limits on size and time.

There is no session: no cookies, no .netrc, no proxies of the environment, nothing survives from one call to the next.
"""

from __future__ import annotations

import json
import ssl
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException
from typing import Any

import certifi
from urllib3.connection import HTTPConnection
from urllib3.exceptions import DecodeError, HTTPError
from urllib3.response import HTTPResponse
from urllib3.util import Url

from orchestrator.core.addresses import AddressPolicy
from orchestrator.download.urls import joined, redact_url, target
from orchestrator.download.wire import PlainConnection, Resolver, TlsConnection, Wire, resolve
from orchestrator.errors import DownloadFailed

MAX_REDIRECTS = 3
MAX_ANSWER_BYTES = 1 << 20
CHUNK_BYTES = 1 << 16
REDIRECTS = {301, 302, 303, 307, 308}
RETRYABLE = {408, 425, 429}
HEADERS = {"User-Agent": "midjourney-orchestrator", "Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class Download:
    """``data`` decoded; ``content_type`` announced, lower case, without parameters; ``final_url`` with its secrets."""

    data: bytes
    content_type: str
    final_url: str


class Downloader:
    """GET and POST to addresses that are public or permitted by ``allow_hosts``. Safe to share between threads.

    ``max_bytes`` counts decoded bytes. ``timeout`` (seconds) bounds each wait for the network, ``total_timeout`` the
    call with its redirects; only the system's own name look-up is not cut short by it.
    """

    def __init__(
        self,
        allow_hosts: tuple[str, ...],
        max_bytes: int,
        timeout: float,
        total_timeout: float,
        *,
        resolver: Resolver = resolve,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._policy = AddressPolicy.parse(allow_hosts)
        self._max_bytes = max_bytes
        self._timeout = timeout
        self._total_timeout = total_timeout
        self._resolver = resolver
        self._tls = tls or _trusting_usual_authorities()

    def get(self, url: str) -> Download:
        """The body behind ``url`` (status 200 only), after at most three redirects, each judged like the first.

        DownloadRefused: the URL or its address is not permitted. DownloadFailed: everything else, see its attributes.
        """
        current = url
        with self._wire(self._timeout, self._total_timeout) as wire:
            for _ in range(MAX_REDIRECTS + 1):
                with self._asked(wire, "GET", current, {"Accept": "image/*, */*;q=0.1"}) as response:
                    onward = response.headers.get("Location") if response.status in REDIRECTS else None
                    if onward is None:
                        _expect(response, range(200, 201), current)
                        data = _read(response, self._max_bytes, wire, current)
                        if not data:
                            raise DownloadFailed(f"{redact_url(current)}: an empty body", retryable=True, status=200)
                        return Download(data, _content_type(response), current)
                current = joined(current, onward)
        raise DownloadFailed(f"{redact_url(url)}: more than {MAX_REDIRECTS} redirects", retryable=False)

    def post_json(self, url: str, payload: Mapping[str, Any], timeout: float) -> dict[str, Any]:
        """POST ``payload`` as JSON; the answer must be 2xx and a JSON object of at most 1 MiB. Follows no redirect.

        ``timeout`` (seconds) bounds the whole call. Errors as for ``get``.
        """
        body = json.dumps(payload).encode()
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        with self._wire(timeout, timeout) as wire, self._asked(wire, "POST", url, headers, body) as response:
            _expect(response, range(200, 300), url)
            return _object(_read(response, MAX_ANSWER_BYTES, wire, url), url)

    def _wire(self, timeout: float, total_timeout: float) -> Wire:
        return Wire(self._policy, self._resolver, timeout, total_timeout)

    @contextmanager
    def _asked(
        self, wire: Wire, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Iterator[HTTPResponse]:
        """The answer to one request, its body unread. Foreign errors, also while it is read, become ours."""
        parsed = target(url)
        with _translated(url, wire), closing(self._connection(parsed, wire)) as connection:
            connection.request(method, parsed.request_uri, body, {**HEADERS, **headers}, preload_content=False)
            with closing(connection.getresponse()) as response:
                yield response

    def _connection(self, parsed: Url, wire: Wire) -> HTTPConnection:
        host = (parsed.host or "").removeprefix("[").removesuffix("]")
        if parsed.scheme == "https":
            return TlsConnection(host, parsed.port or 443, wire, self._tls)
        return PlainConnection(host, parsed.port or 80, wire)


@cache
def _trusting_usual_authorities() -> ssl.SSLContext:
    """The system's certificate authorities (an operator's own among them) and certifi's, for systems without any."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


@contextmanager
def _translated(url: str, wire: Wire) -> Iterator[None]:
    try:
        yield
    except (OSError, HTTPException, HTTPError, zlib.error) as error:
        untrusted = isinstance(error, ssl.SSLCertVerificationError) or isinstance(
            error.__cause__, ssl.SSLCertVerificationError
        )
        reason = f"took longer than {wire.total_timeout:g} s" if wire.over else _reason(error)
        raise DownloadFailed(f"{redact_url(url)}: {reason}", retryable=not untrusted) from error


def _reason(error: Exception) -> str:
    """What happened, in words that cannot repeat the URL."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return (isinstance(error, OSError) and error.strerror) or f"the connection failed ({type(error).__name__})"


def _expect(response: HTTPResponse, wanted: range, url: str) -> None:
    status = response.status
    if status not in wanted:
        retryable = status in RETRYABLE or status >= 500
        raise DownloadFailed(f"{redact_url(url)}: answered {status}", retryable=retryable, status=status)


def _read(response: HTTPResponse, limit: int, wire: Wire, url: str) -> bytes:
    """The whole body, decoded. One shorter than announced is noticed by urllib3, one too long here."""
    body = b"".join(_decoded(response, limit + 1))
    if len(body) > limit:
        raise DownloadFailed(f"{redact_url(url)}: larger than {limit} bytes", retryable=False, status=response.status)
    if wire.over:  # a cut connection looks like the end of a body that announced no length
        raise TimeoutError
    return body


def _decoded(response: HTTPResponse, left: int) -> Iterator[bytes]:
    """At most ``left`` bytes of the body. Unpacked here, because urllib3 lets go of its bound at the end of a body."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in {"identity", "gzip", ""}:
        raise DecodeError(f"Content-Encoding {encoding} was not asked for")
    unpack = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
    for raw in response.stream(CHUNK_BYTES, decode_content=False):
        chunk = unpack.decompress(raw, left) if unpack else raw[:left]
        yield chunk
        left -= len(chunk)
        if left <= 0:
            return
    if unpack and not unpack.eof:
        raise DecodeError("the compressed body is not whole")


def _content_type(response: HTTPResponse) -> str:
    return str(response.headers.get("Content-Type", "")).partition(";")[0].strip().lower()


def _object(answer: bytes, url: str) -> dict[str, Any]:
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise DownloadFailed(f"{redact_url(url)}: the answer is not a JSON object", retryable=False)
    return found
