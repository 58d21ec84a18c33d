"""When does an image URL die? Read from the URL alone; what cannot be read is ``None``, never an error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from string import hexdigits
from urllib.parse import parse_qsl, urlsplit

# Hosts whose plain links live for a fixed time after the result was issued (the provider's FAQ).
LIFETIME_BY_HOST: Mapping[str, timedelta] = {"platform.cdn.acedata.cloud": timedelta(days=30)}

# A signature's time outside these years is garbage (or milliseconds, or a counter), not a date.
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)

DIGITS = frozenset(hexdigits)


def expires_at(url: str, issued_at: datetime) -> datetime | None:
    """The moment (UTC) from which ``url`` no longer answers, or None if it does not say.

    ``issued_at`` (aware) is when the provider handed the URL out. Of several times stated the earliest counts.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return None
    query = {name.lower(): value for name, value in parse_qsl(parts.query, keep_blank_values=True)}
    stated = [moment for read in READERS if (moment := read(query)) is not None and EARLIEST <= moment <= LATEST]
    if stated:
        return min(stated)
    lifetime = LIFETIME_BY_HOST.get(host)
    return None if lifetime is None else issued_at.astimezone(UTC) + lifetime


def _discord(query: Mapping[str, str]) -> datetime | None:
    """``?ex=<hex epoch seconds>&is=...&hm=...``"""
    return _epoch(query.get("ex", ""), base=16)


def _expires(query: Mapping[str, str]) -> datetime | None:
    """``?Expires=<epoch seconds>``: CloudFront, S3 version 2, GCS version 2, Alibaba OSS."""
    return _epoch(query.get("expires", ""), base=10)


def _amazon(query: Mapping[str, str]) -> datetime | None:
    """``?X-Amz-Date=20261121T101112Z&X-Amz-Expires=<seconds>``"""
    return _signed_for(query.get("x-amz-date", ""), query.get("x-amz-expires", ""))


def _google(query: Mapping[str, str]) -> datetime | None:
    """``?X-Goog-Date=20261121T101112Z&X-Goog-Expires=<seconds>``"""
    return _signed_for(query.get("x-goog-date", ""), query.get("x-goog-expires", ""))


def _azure(query: Mapping[str, str]) -> datetime | None:
    """``?se=2026-11-21T10:11:12Z``; minutes and a bare date are allowed, UTC is meant."""
    stated = query.get("se", "")
    if not stated or stated.isdigit():  # Python would read 20261121 as a date; Azure never writes one like that
        return None
    try:
        moment = datetime.fromisoformat(stated)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


READERS: tuple[Callable[[Mapping[str, str]], datetime | None], ...] = (_discord, _amazon, _google, _expires, _azure)


def _signed_for(signed: str, seconds: str) -> datetime | None:
    if not signed:
        return None
    try:
        moment = datetime.strptime(signed, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        return moment + timedelta(seconds=_natural(seconds, base=10))
    except (ValueError, OverflowError):
        return None


def _epoch(text: str, *, base: int) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.fromtimestamp(_natural(text, base=base), tz=UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _natural(text: str, *, base: int) -> int:
    """Digits only: ``int`` alone would also take signs, spaces, underscores and ``0x``, and strings of any length."""
    if len(text) > 12 or not DIGITS.issuperset(text):
        raise ValueError(text)
    return int(text, base)
