"""Callback tokens: who may speak about which task, proven by an HMAC before anything else is looked at.

A token is base64url(kind byte + subject + 16 bytes of HMAC-SHA256); it fits a URL segment and holds no secret.
Several secrets may verify (rotation); the first one signs.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from uuid import UUID

from orchestrator.errors import BadToken

_TASK, _ACCOUNT = b"\x01", b"\x02"
_MAC = 16


def task_token(secrets: tuple[bytes, ...], account: str, task_id: UUID) -> str:
    """The token that goes into the callback URL of one task."""
    return _encode(_TASK + task_id.bytes, secrets[0], account)


def account_token(secrets: tuple[bytes, ...], account: str) -> str:
    """The token of an account's one hook, for providers that cannot take a URL per request."""
    return _encode(_ACCOUNT, secrets[0], account)


def read_token(secrets: tuple[bytes, ...], account: str, token: str) -> UUID | None:
    """The task a token speaks for, or None for the account's own hook. Raises BadToken."""
    raw = _raw(token)
    subject, mac = raw[:-_MAC], raw[-_MAC:]
    # Every secret is tried, so that the time taken does not tell which one matched.
    matches = [hmac.compare_digest(mac, _mac(secret, account, subject)) for secret in secrets]
    if not any(matches):
        raise BadToken
    if subject == _ACCOUNT:
        return None
    if not _is_task(subject):
        raise BadToken
    return UUID(bytes=subject[1:])


def task_named_in(address: str) -> UUID | None:
    """The task whose token a URL ends in, whatever its host and its MAC; None when it ends in no such token.

    To recognise what was sent under another secret or address. It proves nothing: ``read_token`` says who may speak.
    """
    path = re.split("[?#]", address, maxsplit=1)[0]
    try:
        subject = _raw(path.rstrip("/").rpartition("/")[2])[:-_MAC]
    except BadToken:
        return None
    return UUID(bytes=subject[1:]) if _is_task(subject) else None


def is_of_task(token: str) -> bool:
    """Of a token that ``read_token`` has taken: is it a task's own, not an account's?"""
    return len(token) > len(_text(_ACCOUNT + bytes(_MAC)))


def _encode(subject: bytes, secret: bytes, account: str) -> str:
    return _text(subject + _mac(secret, account, subject))


def _raw(token: str) -> bytes:
    try:
        raw = base64.b64decode(token.encode("ascii") + b"=" * (-len(token) % 4), b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise BadToken from error
    if _text(raw) != token:  # base64 spells the same bytes in several ways; only ours is ours
        raise BadToken
    return raw


def _is_task(subject: bytes) -> bool:
    return len(subject) == 17 and subject[:1] == _TASK


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _mac(secret: bytes, account: str, subject: bytes) -> bytes:
    return hmac.new(secret, account.encode() + b"\x00" + subject, hashlib.sha256).digest()[:_MAC]
