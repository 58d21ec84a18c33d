"""URLs of strangers: which are well-formed enough to be asked, and how they may be shown."""

from __future__ import annotations

import logging
from urllib.parse import urljoin, urlsplit

from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from orchestrator.core.addresses import is_plain_host
from orchestrator.errors import DownloadRefused


def redact_url(url: str) -> str:
    """For logs and errors: scheme, host and path on one short line; no user, no query (signatures), no fragment."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an unreadable URL"
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    line = "".join(sign if sign.isprintable() else "?" for sign in shown)[:200]
    return f"{line}?..." if parts.query else line


def target(url: str) -> Url:
    """``url`` taken apart by the parser whose parts are then connected to, so that no two parsers can disagree.

    DownloadRefused: not http(s), a user or password in it, no plain host, or signs that parsers read in different ways.
    """
    if not url.isprintable() or " " in url or "\\" in url:
        raise DownloadRefused(f"{redact_url(url)}: the URL contains signs that do not belong in one")
    try:
        parsed = parse_url(url)
    except LocationParseError:
        raise DownloadRefused(f"{redact_url(url)}: the URL cannot be read") from None  # its text repeats the query
    if parsed.scheme not in {"http", "https"}:
        raise DownloadRefused(f"{redact_url(url)}: only http and https are fetched")
    if parsed.auth is not None:
        raise DownloadRefused(f"{redact_url(url)}: a user name or password in the URL is not sent")
    if not is_plain_host(parsed.host or ""):
        raise DownloadRefused(f"{redact_url(url)}: the host is not written as a plain name or address")
    return parsed


def joined(url: str, onward: str) -> str:
    """Where a redirect from ``url`` leads."""
    try:
        return urljoin(url, onward)
    except ValueError:
        raise DownloadRefused(f"{redact_url(url)}: redirected to a URL that cannot be read") from None


def _redact_record(record: logging.LogRecord) -> bool:
    """urllib3 warns about malformed headers with the whole URL, signature included."""
    if isinstance(record.args, tuple):
        record.args = tuple(redact_url(arg) if isinstance(arg, str) and "://" in arg else arg for arg in record.args)
    return True


logging.getLogger("urllib3.connection").addFilter(_redact_record)
