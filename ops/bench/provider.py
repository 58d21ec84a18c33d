"""A provider that costs next to nothing: it answers a submission at once and posts the job's result right after.

It speaks just as much of AceData's dialect as the bench needs and keeps nothing on disk; the emulator proper draws real
pictures and would be what is measured. A submission that works on the image of a former job tells how long that job's
callback took to lead to it: both moments are taken here, by one clock.

``python -m ops.bench.provider`` prints its port. ``POST /_bench?delay=SECONDS`` gives the figures since the last such
call and sets how long the jobs take from then on; everything else is a submission.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections import defaultdict
from urllib.parse import parse_qs, urlsplit

from ops.bench.bodies import result
from ops.bench.load import request

IDLE = 5.0  # seconds for which a connection is kept


class Provider:
    """The jobs, and what was measured."""

    def __init__(self) -> None:
        self.delay = 0.0
        self._numbers = itertools.count(1)
        self._posted: dict[str, float] = {}  # image id -> when its callback was sent
        self._gaps: list[float] = []
        self._refused: list[str] = []  # what was answered to callbacks that were not taken
        self._idle: defaultdict[tuple[str, int], list[Line]] = defaultdict(list)
        self._under_way: set[asyncio.Task[None]] = set()

    def submitted(self, order: dict[str, str], now: float) -> bytes:
        """Take an order; the answer's body."""
        if sent := self._posted.pop(order.get("image_id", ""), None):
            self._gaps.append((now - sent) * 1000)
        number = next(self._numbers)
        task_id, image_id = f"00000000-0000-4000-8000-{number:012d}", str(1_234_551_030_549_000_000 + number)
        job = asyncio.ensure_future(self._work(order["callback_url"], task_id, image_id, order["action"]))
        self._under_way.add(job)
        job.add_done_callback(self._under_way.discard)
        return json.dumps({"task_id": task_id}).encode()

    def figures(self, delay: float) -> bytes:
        """What was measured since the last call."""
        found = {"milliseconds": self._gaps, "refused": self._refused}
        self._gaps, self._refused, self.delay = [], [], delay
        return json.dumps(found).encode()

    async def _work(self, url: str, task_id: str, image_id: str, action: str) -> None:
        await asyncio.sleep(self.delay)
        place = urlsplit(url)
        idle = self._idle[place.hostname or "", place.port or 80]
        while idle and idle[0].stale:
            idle.pop(0).close()
        line = idle.pop() if idle else Line(place.hostname or "", place.port or 80)
        payload = request(place.path, result(task_id, image_id, action))
        self._posted[image_id] = time.perf_counter()
        try:
            answer = await line.post(payload)
        except (OSError, asyncio.IncompleteReadError) as error:
            answer = f"{type(error).__name__}: {error}".encode()
        else:
            idle.append(line)
        if not answer.startswith(b"HTTP/1.1 200"):
            self._refused.append(answer.decode(errors="replace")[:200])


class Line:
    """A keep-alive connection to the receiver, used by one job at a time."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._ends: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._used = 0.0

    @property
    def stale(self) -> bool:
        """Whether the server may be about to close it: it does after 30 seconds of silence."""
        return time.monotonic() - self._used > IDLE

    def close(self) -> None:
        if self._ends:
            self._ends[1].close()

    async def post(self, payload: bytes) -> bytes:
        """The head of the answer."""
        if self._ends is None:
            self._ends = await asyncio.open_connection(*self._address)
        reader, writer = self._ends
        writer.write(payload)
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(length_of(head))
        self._used = time.monotonic()
        return head


def length_of(head: bytes) -> int:
    """The Content-Length that a head announces, in bytes."""
    return int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0] or 0)


async def serve(provider: Provider) -> None:
    """Answer until the process is ended."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(length_of(head))
                now = time.perf_counter()
                path = head.split(b" ", 2)[1].decode()
                if path.startswith("/_bench"):
                    answer = provider.figures(float(parse_qs(urlsplit(path).query)["delay"][0]))
                else:
                    answer = provider.submitted(json.loads(body), now)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
                writer.write(b"Content-Length: %d\r\n\r\n" % len(answer) + answer)
        except (asyncio.IncompleteReadError, ConnectionResetError):
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Provider()))
