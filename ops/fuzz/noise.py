"""One change to the bytes of a body, chosen by a generator: cut, flipped, encoded otherwise, spoilt."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from random import Random

from ops.fuzz.hostile import ENCODINGS, SCRAPS


def spoilt(random: Random, body: bytes, other: bytes) -> bytes:
    """The body with one change; ``other`` is a body whose parts may be mixed in."""
    return random.choice(_CHANGES)(random, body, other)


def _cut(random: Random, body: bytes, _: bytes) -> bytes:
    return body[: random.randrange(len(body) + 1)]


def _behead(random: Random, body: bytes, _: bytes) -> bytes:
    return body[random.randrange(min(len(body), 40) + 1) :]


def _flip(random: Random, body: bytes, _: bytes) -> bytes:
    spoiled = bytearray(body)
    for _turn in range(random.choice([1, 1, 2, 8])):
        if spoiled:
            spoiled[random.randrange(len(spoiled))] ^= 1 << random.randrange(8)
    return bytes(spoiled)


def _insert(random: Random, body: bytes, _: bytes) -> bytes:
    place = random.choice([0, len(body), random.randrange(len(body) + 1)])
    return body[:place] + random.choice(SCRAPS) + body[place:]


def _remove(random: Random, body: bytes, _: bytes) -> bytes:
    place = random.randrange(len(body) + 1)
    return body[:place] + body[place + random.choice([1, 1, 2, 10, 200]) :]


def _again(random: Random, body: bytes, _: bytes) -> bytes:
    start, end = sorted((random.randrange(len(body) + 1), random.randrange(len(body) + 1)))
    return body[:end] + body[start:end] + body[end:]


def _mixed(random: Random, body: bytes, other: bytes) -> bytes:
    return body[: random.randrange(len(body) + 1)] + other[random.randrange(len(other) + 1) :]


def _encoded(random: Random, body: bytes, _: bytes) -> bytes:
    return body.decode("utf-8", "replace").encode(random.choice(ENCODINGS), "replace")


def _surrogates(random: Random, body: bytes, _: bytes) -> bytes:
    """Half of a surrogate pair where a letter stood, in the bytes that UTF-8 does not allow."""
    return body.replace(random.choice([b"a", b"e", b'"', b"1"]), b"\xed\xa0\xbd", random.choice([1, 2]))


def _wrapped(random: Random, body: bytes, _: bytes) -> bytes:
    """The body inside something else: a JSON text, a form, a line of a stream of events, compressed."""
    return random.choice([
        json.dumps(body.decode("utf-8", "replace")).encode(), b"payload=" + body, b"data: " + body + b"\n\n",
        b"--x\r\n\r\n" + body + b"\r\n--x--", gzip.compress(body[:2000], 1), b"(" + body + b")", b"[" + body + b",]",
        b"[" + body, body + b"]", b'{"data":' + body + b"}", b'{"payload":[' + body + b"]}", body + b"\x00" * 100,
    ])  # fmt: skip


_CHANGES: tuple[Callable[[Random, bytes, bytes], bytes], ...] = (
    *(_cut, _cut, _behead, _flip, _flip, _insert, _insert, _remove, _again, _mixed, _encoded, _surrogates, _wrapped),
)
