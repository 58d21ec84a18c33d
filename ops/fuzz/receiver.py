"""Bodies at the whole receiver with its database: no 5xx, nothing in the log, nothing lost, nothing impossible."""

from __future__ import annotations

import hashlib
import re
import sys
import time
from pathlib import Path
from uuid import UUID

from ops.fuzz import ground
from ops.fuzz.bodies import JOBS, Bodies, Body
from ops.fuzz.findings import Findings
from ops.fuzz.ground import TASKS, TOKEN, Address, Nudged
from ops.fuzz.invariants import broken
from ops.fuzz.journal import Journal
from ops.fuzz.seeds import DIALECTS
from ops.fuzz.views import look
from ops.fuzz.wire import Answer, Wire
from orchestrator import logs
from orchestrator.advance import advance
from orchestrator.errors import DatabaseUnavailable
from orchestrator.receiver import Drainer
from orchestrator.web import create_app

BATCH = 10_000  # bodies that meet the same tasks
_JOB = re.compile(rb'"job-(\d+)"')
# Spooled: the database was too slow, on a busy machine; what could not be taken for another reason is in the log.
_TAKEN = {
    *((200, verdict) for verdict in ("accepted", "duplicate", "stale", "late")),
    *((202, verdict) for verdict in ("parked", "spooled")),
}
_PATIENCE = 120.0  # seconds for a database to come back
_PROBLEM = "application/problem+json"


class Receiver:
    """The application of one process, on a database of its own. Takes the process's stderr as its log."""

    def __init__(self, home: Path, database_url: str, seed: int) -> None:
        self._journal = Journal()
        sys.stderr = self._journal
        logs.configure(json=True)
        self._nudged = Nudged()
        self._services = ground.services(home, database_url, self._nudged)
        self._limit = self._services.config.max_body
        self._wire = Wire(create_app(self._services).wsgi_app, TOKEN)
        self._bodies = Bodies(seed)

    def batch(self, start: int, count: int) -> Findings:
        """Deliver these bodies, then look at all that came of them."""
        found, began = Findings(), time.perf_counter()
        self._nudged.runs.clear()
        with self._services.db.connection() as connection:
            ground.renew(connection, start)
        expected: dict[str, int] = {}
        for body in self._bodies.range(start, count):
            if self._deliver(body, self._address(body, start), found):
                expected[hashlib.sha256(body.data).hexdigest()] = body.number
        self._drain(found)
        self._advance(found)
        self._judge(expected, found)
        found.seconds = time.perf_counter() - began
        return found

    def close(self) -> None:
        self._services.close()

    def _address(self, body: Body, start: int) -> Address:
        """Mostly a task that waits for this very job, or whose job is not known; else the account, or somebody."""
        place, account = body.place, body.dialect
        named = _JOB.search(body.data)
        if place > 0.98:
            return ground.to_nobody(account, ground.task_id(start, account, 0))
        if place > 0.95:
            account = DIALECTS[body.number // 3 % len(DIALECTS)]
        if place > 0.75:
            return ground.to_account(account)
        number = JOBS + int(place / 0.75 * JOBS)
        if named and place < 0.5:
            number = int(named[1]) % JOBS
        return ground.to_task(account, ground.task_id(start, account, min(number, TASKS - 1)))

    def _deliver(self, body: Body, address: Address, found: Findings) -> bool:
        """Whether the delivery must be in the database now."""
        found.bodies += 1
        found.bytes += len(body.data)
        try:
            answer = self._wire.ask("POST", address.path, body.data, content_type=body.content_type)
            said = self._verdict(body, address, answer)
        except Exception as error:  # noqa: BLE001 - this is what is looked for
            found.blame(f"body {body.number} to {address.account}: {type(error).__name__}: {error}")
            return False
        found.count("status", str(answer.status))
        found.count("verdict", said)
        if self._journal.troubles:
            found.blame(f"body {body.number} to {address.account}: in the log: {self._journal.troubles}")
            self._journal.troubles.clear()
        return answer.status in (200, 202, 400)

    def _verdict(self, body: Body, address: Address, answer: Answer) -> str:
        """The verdict, or the reason for none. Raises AssertionError for an answer that must not be."""
        said = answer.json
        if answer.status == 404 and not address.ours:
            return "no token of ours"
        if not address.ours:
            raise AssertionError(f"a token that is not ours was taken: {answer}")
        if answer.status == 413 and len(body.data) > self._limit:
            return "too large"
        if answer.status == 400 and answer.content_type == _PROBLEM and said["verdict"] == "rejected":
            return "rejected"
        if (answer.status, said.get("verdict")) in _TAKEN:
            return str(said["verdict"])
        raise AssertionError(f"answered {answer.status} {answer.data[:300]!r}")

    def _drain(self, found: Findings) -> None:
        """Take what was spooled meanwhile."""
        drainer, until = Drainer(self._services), time.monotonic() + _PATIENCE
        while self._services.spool.waits() and time.monotonic() < until:
            try:
                found.count("drained", "all", drainer.drain())
            except DatabaseUnavailable:
                time.sleep(1)

    def _advance(self, found: Findings) -> None:
        """What a worker does with the runs whose tasks were ended: their next steps see what was delivered."""
        found.count("runs advanced", "all", len(self._nudged.runs))
        for run_id in tuple(self._nudged.runs):
            self._tried(found, f"run {run_id} cannot be advanced", run_id)

    def _tried(self, found: Findings, what: str, run_id: UUID) -> None:
        try:
            advance(self._services, run_id)
        except Exception as error:  # noqa: BLE001 - this is what is looked for
            found.blame(f"{what}: {type(error).__name__}: {error}")

    def _judge(self, expected: dict[str, int], found: Findings) -> None:
        with self._services.db.connection() as connection:
            for sentence in broken(connection):
                found.blame(sentence)
        seen = look(self._wire, found)
        lost = sorted(number for digest, number in expected.items() if digest not in seen)
        if lost:
            found.blame(f"{len(lost)} deliveries were answered and are not there, among them {lost[:10]}")
        if self._services.spool.waits():
            found.blame(f"the spool cannot be drained: {self._services.spool.depth()}")
        for trouble in self._journal.troubles:
            found.blame(f"in the log: {trouble}")
        found.counts["lines of the log"] = self._journal.levels.copy()
        self._journal.levels.clear()
        self._journal.troubles.clear()
