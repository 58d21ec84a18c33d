"""Bodies by their number: the same seed and number give the same body, on every machine, in every order."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random

from ops.fuzz.hostile import CONTENT_TYPES, TEXTS
from ops.fuzz.noise import spoilt
from ops.fuzz.seeds import DIALECTS, JOB, Seeds, seeds
from ops.fuzz.trees import changed, text_of

JOBS = 500  # names of jobs that somebody may wait for: job-0 ... job-499
_SOUP = '[]{}":,0123456789.eE+-\\utrfalsniskd_ \n\t'
_GAPS = ("\n", "\n", "\r\n", "", " ", "\n\n\n", "\r", ",", "\x0b", "\u2028", "\x00\n")
_HUGE = 2_000_000  # bytes or digits; below the limit of a body
_BLANK = json.dumps(JOB)


@dataclass(frozen=True, slots=True)
class Body:
    """One malformed delivery. place: 0 to 1, which of the possible addresses it is sent to."""

    number: int
    dialect: str
    data: bytes
    content_type: str | None
    place: float


class Bodies:
    """All bodies of a seed."""

    def __init__(self, seed: int, given: Mapping[str, Seeds] | None = None) -> None:
        """given: what they begin with by dialect, if not the recorded deliveries."""
        self.seed = seed
        self._seeds = seeds() if given is None else given

    def range(self, start: int, count: int) -> Iterator[Body]:
        return (self.body(number) for number in range(start, start + count))

    def body(self, number: int) -> Body:
        random = Random(f"{self.seed}/{number}")
        dialect = DIALECTS[number % len(DIALECTS)]
        content_type = random.choice(CONTENT_TYPES) if random.random() < 0.1 else "application/json"
        return Body(number, dialect, self._data(random, self._seeds[dialect], number), content_type, random.random())

    def _data(self, random: Random, of: Seeds, number: int) -> bytes:
        way = random.random()
        if way < 0.0001:
            return _huge(random, of)
        if way < 0.02:
            return _soup(random)
        text = self._text(random, of)
        data = text.replace(_BLANK, _name(random, number)).encode("utf-8", "surrogatepass")
        spoils = random.choices([0, 1, 2], [7, 2, 1])[0]
        if not spoils:
            return data
        other = random.choice(of.bodies).encode()
        for _ in range(spoils):
            data = spoilt(random, data, other)
        return data

    def _text(self, random: Random, of: Seeds) -> str:
        """One object, an array of several, or several in lines."""
        form = random.random()
        if form < 0.7:
            return self._one(random, of)
        texts = [self._one(random, of) for _ in range(random.choice([0, 1, 2, 2, 3, 5, 12]))]
        if form < 0.8:
            return f"[{','.join(texts)}]"
        if texts and form < 0.83:
            texts = texts[:1] * random.choices([2, 3, 30, 1000, 1001], [40, 40, 10, 1, 1])[0]
        return random.choice(_GAPS).join(texts)

    def _one(self, random: Random, of: Seeds) -> str:
        tree = json.loads(random.choice(of.bodies))
        for _ in range(random.choice([1, 1, 1, 1, 1, 2, 2, 2, 3, 6])):
            tree = changed(random, of, tree)
        return text_of(random, tree)


def _name(random: Random, number: int) -> str:
    """The job's name as JSON: one that is waited for, a new one, one of a wrong form."""
    way = random.random()
    if way < 0.5:
        return f'"job-{random.randrange(JOBS)}"'
    if way < 0.85:
        return f'"new-{number}"'
    if way < 0.95:
        return random.choice(["null", "0", "-1", "true", '""', "1.5", "1e5", '" "', "[]", "{}", str(10**18 + number)])
    return json.dumps(random.choice(TEXTS))


def _soup(random: Random) -> bytes:
    if random.random() < 0.5:
        return random.randbytes(random.choice([0, 1, 2, 5, 30, 200, 3000]))
    return "".join(random.choices(_SOUP, k=random.choice([1, 2, 3, 8, 40, 400]))).encode()


def _huge(random: Random, of: Seeds) -> bytes:
    """About as large as a body may be, or a little larger: a number, a text, a nesting, a list, spaces."""
    size = random.choice([_HUGE, _HUGE, 2**21, 2**21 + 1])
    key = random.choice(of.keys)
    whole = random.choice(of.bodies)[:-1].encode() + b"," + json.dumps(key).encode() + b":"
    room = max(1, size - len(whole) - 3)
    stuffing = random.choice(_STUFFINGS)
    return whole + stuffing(room) + b"}"


_STUFFINGS: tuple[Callable[[int], bytes], ...] = (
    lambda room: b"9" * room,
    lambda room: b"-1." + b"0" * (room - 3),
    lambda room: b"1e" + b"9" * (room - 2),
    lambda room: b" " * room + b"1",
    lambda room: b'"' + b"x" * (room - 2) + b'"',
    lambda room: b'"' + b"\\ud800" * ((room - 2) // 6) + b'"',
    lambda room: b'"' + b"\xc3\xa9" * ((room - 2) // 2) + b'"',
    lambda room: b'"' + b"\\\\" * ((room - 2) // 2) + b'"',
    lambda room: b"[" * room,
    lambda room: b'{"a":' * (room // 5),
    lambda room: b"[" + b"{}," * ((room - 4) // 3) + b"{}]",
)
